/* SPDX-License-Identifier: MIT */
/* Which part each tensor of a GGUF file plays in a mix. Vectors, norms and routers stay floats. */
#include "lab/quantize.h"

#include <string.h>

bool recipe_is_matrix(const struct export_tensor *t)
{
    /* Norms of each head, which experts, positions: small, and not a matter of rounding. */
    static const char *const others[] = {"_norm.weight", "ffn_gate_inp.weight",
                                         "ffn_gate_inp_shexp.weight", "position_embd.weight"};
    if (t->n_dims < 2 || !str_ends_with(t->name, ".weight"))
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (str_ends_with(t->name, others[i]))
            return false;
    return true;
}

static bool has_tensor(const struct model_export *x, const char *name)
{
    for (size_t i = 0; i < export_count(x); i++)
        if (strcmp(export_at(x, i)->name, name) == 0)
            return true;
    return false;
}

/* The layer's number in "blk.7.…", -1 for names of another form. */
static int layer_of(const char *name)
{
    int layer = -1;
    if (strncmp(name, "blk.", 4) != 0)
        return -1;
    for (const char *p = name + 4; *p >= '0' && *p <= '9' && layer < 100000; p++)
        layer = (layer < 0 ? 0 : layer * 10) + (*p - '0');
    return layer;
}

static enum mix_role role_of(const char *name)
{
    static const struct {
        const char *part;
        enum mix_role role;
    } roles[] = {{".attn_v.weight", MIX_VALUES},
                 {".attn_qkv.weight", MIX_VALUES},
                 {".ffn_down.weight", MIX_DOWN},
                 {".ffn_down_exps.weight", MIX_DOWN},
                 {"token_embd.weight", MIX_EMBEDDING}};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (str_ends_with(name, roles[i].part))
            return roles[i].role;
    return strcmp(name, "output.weight") == 0 ? MIX_HEAD : MIX_OTHER;
}

/* What is no matrix stays as it is, or becomes F32, which is what readers expect of vectors. */
static uint32_t plain_type(uint32_t type)
{
    return wtype_info(type)->block_elems > 1 ? type : WTYPE_F32;
}

void recipe_apply(const struct mix *m, const struct model_export *x, uint32_t *types)
{
    const bool tied = !has_tensor(x, "output.weight");
    int n_layers = 0;
    for (size_t i = 0; i < export_count(x); i++) {
        int layer = layer_of(export_at(x, i)->name);
        n_layers = layer >= n_layers ? layer + 1 : n_layers;
    }
    for (size_t i = 0; i < export_count(x); i++) {
        const struct export_tensor *t = export_at(x, i);
        types[i] = recipe_is_matrix(t) ? mix_type(m, role_of(t->name), layer_of(t->name), n_layers,
                                                  t->dims[0], tied)
                                       : plain_type(t->type);
    }
}
