/* SPDX-License-Identifier: MIT */
/* The mixes of element types, as llama.cpp's of the same names choose them: their sizes are what
 * users of those names expect. Vectors, norms and routers stay floats. */
#include "lab/quantize.h"

#include <stdio.h>
#include <string.h>

static const struct recipe recipes[] = {
    {"q8_0", 7, WTYPE_Q8_0, WTYPE_Q8_0, WTYPE_Q8_0},
    {"q6_k", 18, WTYPE_Q6_K, WTYPE_Q6_K, WTYPE_Q6_K},
    {"q5_k_m", 17, WTYPE_Q5_K, WTYPE_Q6_K, WTYPE_Q6_K},
    {"q4_k_m", 15, WTYPE_Q4_K, WTYPE_Q6_K, WTYPE_Q6_K},
    {"q4_1", 3, WTYPE_Q4_1, WTYPE_Q6_K, WTYPE_Q4_1},
    {"q4_0", 2, WTYPE_Q4_0, WTYPE_Q6_K, WTYPE_Q4_0},
    {"f16", 1, WTYPE_F16, WTYPE_F16, WTYPE_F16},
    {"bf16", 32, WTYPE_BF16, WTYPE_BF16, WTYPE_BF16},
};

const char *const lab_quantize_types[] = {"q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_1",
                                          "q4_0", "f16",  "bf16",   NULL};

int recipe_find(const char *name, const struct recipe **out, struct err *e)
{
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
        if (strcmp(recipes[i].name, name) == 0) {
            *out = &recipes[i];
            return 0;
        }
    return err_set(e, ERR_USAGE,
                   "--type: '%s', expected q8_0, q6_k, q5_k_m, q4_k_m, q4_1, q4_0, f16 or bf16",
                   name);
}

/* ---- which tensors ---- */

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

static bool has_tensor(const struct export *x, const char *name)
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

/* The first and the last eighth of the layers, and every third between them. */
static bool gets_more(int layer, int n_layers)
{
    int eighth = n_layers / 8;
    return layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
}

static bool is_sensitive(const char *name)
{
    return strstr(name, ".attn_v.weight") || strstr(name, ".ffn_down.weight") ||
           strstr(name, ".ffn_down_exps.weight");
}

/* Where the rows are no whole blocks, the next larger type whose blocks fit. */
static uint32_t that_fits(uint32_t type, uint64_t n)
{
    if (n % wtype_info(type)->block_elems == 0)
        return type;
    if (n % 32 != 0)
        return WTYPE_F16;
    return type == WTYPE_Q4_K ? WTYPE_Q5_0 : type == WTYPE_Q5_K ? WTYPE_Q5_1 : WTYPE_Q8_0;
}

void recipe_apply(const struct recipe *r, const struct export *x, uint32_t *types)
{
    const bool tied = !has_tensor(x, "output.weight");
    int n_layers = 0;
    for (size_t i = 0; i < export_count(x); i++) {
        int layer = layer_of(export_at(x, i)->name);
        n_layers = layer >= n_layers ? layer + 1 : n_layers;
    }
    for (size_t i = 0; i < export_count(x); i++) {
        const struct export_tensor *t = export_at(x, i);
        uint32_t type = r->base;
        if (!recipe_is_matrix(t)) {
            types[i] =
                t->type == WTYPE_F32 || wtype_info(t->type)->block_elems > 1 ? t->type : WTYPE_F32;
            continue;
        }
        if (strcmp(t->name, tied ? "token_embd.weight" : "output.weight") == 0)
            type = r->head;
        else if (is_sensitive(t->name) && gets_more(layer_of(t->name), n_layers))
            type = r->more;
        types[i] = that_fits(type, t->dims[0]);
    }
}
