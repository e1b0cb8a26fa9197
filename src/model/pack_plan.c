/* SPDX-License-Identifier: MIT */
/* See pack.h. Without a quantization every matrix whose type has a packed form is packed as it is,
 * and the rest stays in the file. With one, matrices are quantized on the way, but for those that
 * have no more bits than asked for already: what they lost does not come back. Embeddings and
 * positions are looked up, routers decide: they stay what they are. */
#include "model/pack.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- targets ---- */

static const struct pack_target targets[] = {
    {"q4", WTYPE_Q4_K, true},    {"q8", WTYPE_Q8_0, false},   {"q4_0", WTYPE_Q4_0, false},
    {"q4_1", WTYPE_Q4_1, false}, {"q5_0", WTYPE_Q5_0, false}, {"q5_1", WTYPE_Q5_1, false},
    {"q8_0", WTYPE_Q8_0, false}, {"q4_k", WTYPE_Q4_K, false}, {"q5_k", WTYPE_Q5_K, false},
    {"q6_k", WTYPE_Q6_K, false}, {"f16", WTYPE_F16, false},   {"bf16", WTYPE_BF16, false},
    {"f32", WTYPE_F32, false},
};

int pack_target_parse(struct pack_target *out, const char *name, struct err *e)
{
    struct buf known;
    if (!name || !name[0]) {
        *out = (struct pack_target){.name = ""};
        return 0;
    }
    buf_init(&known, 256);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (strcmp(targets[i].name, name) == 0) {
            *out = targets[i];
            if (strcmp(name, "q8") == 0)
                out->name = "q8_0"; /* the same, so one file */
            buf_release(&known);
            return 0;
        }
        buf_printf(&known, "%s%s", i ? ", " : "", targets[i].name);
    }
    int code = err_set(e, ERR_USAGE, "quantization '%s': unknown, expected one of %s", name,
                       buf_cstr(&known));
    buf_release(&known);
    return code;
}

/* Of rows that are no multiple of 256: a type of 32 with at least as many bits. */
static uint32_t narrow_type(uint32_t type)
{
    switch (type) {
    case WTYPE_Q4_K:
        return WTYPE_Q4_1;
    case WTYPE_Q5_K:
        return WTYPE_Q5_1;
    case WTYPE_Q6_K:
        return WTYPE_Q8_0;
    default:
        return type;
    }
}

/* Values and the head weigh most for their size. */
static uint32_t wanted_type(const struct pack_target *t, const struct pack_item *x)
{
    if (t->mixed && (x->layer < 0 || strcmp(x->place, "attn_v") == 0))
        return WTYPE_Q6_K;
    return t->type;
}

/* Bits of a type, times 256. */
static uint64_t density(uint32_t type)
{
    const struct wtype_info *info = wtype_info(type);
    return (uint64_t)info->block_bytes * 2048 / info->block_elems;
}

static uint32_t type_of(const struct pack_target *t, const struct pack_item *x)
{
    uint32_t own = x->w->type;
    if (!t->name[0])
        return own;
    uint32_t type = wanted_type(t, x);
    if (x->w->n_cols % wtype_info(type)->block_elems != 0)
        type = narrow_type(type);
    if (x->w->n_cols % wtype_info(type)->block_elems != 0)
        return own;
    bool is_plain = wtype_info(own)->block_elems == 1;
    return !is_plain && density(own) <= density(type) ? own : type;
}

/* ---- items ---- */

static int too_large(struct err *e)
{
    return err_set(e, ERR_LIMIT, "a packed model of more bytes than this machine can count");
}

static int add_item(struct pack_plan *p, struct pack_item x, struct err *e)
{
    size_t end;
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 256;
        struct pack_item *items = realloc(p->items, cap * sizeof *items);
        if (!items)
            return err_set(e, ERR_NOMEM, "no memory for %zu matrices", cap);
        p->items = items;
        p->cap = cap;
    }
    x.offset = (p->bytes + PACK_ALIGN - 1) / PACK_ALIGN * PACK_ALIGN;
    if (x.offset < p->bytes || !size_add(x.offset, x.bytes, &end))
        return too_large(e);
    p->bytes = end;
    p->replaced_bytes += (uint64_t)x.w->n_rows * x.w->row_bytes;
    p->items[p->n++] = x;
    return 0;
}

/* Asks for a matrix; n_rows 0: the model has none there. */
static int consider(struct pack_plan *p, const struct model *m, struct matrix *w, const char *place,
                    int32_t layer, struct err *e)
{
    struct pack_item x = {.w = w, .place = place, .layer = layer};
    if (w->n_rows == 0)
        return 0;
    x.type = type_of(&p->target, &x);
    p->n_unfit += p->target.name[0] && w->n_cols % 32 != 0;
    const struct wtype_info *info = wtype_info(x.type);
    bool packs = m->math == MODEL_MATH_FAST && packed_has(x.type) && w->n_cols % 32 == 0;
    x.rows = !packs;
    if (!packs && x.type == w->type)
        return 0; /* where it is, it is right */
    x.row_bytes = w->n_cols / info->block_elems * info->block_bytes;
    bool fits = packs ? packed_group_bytes(x.type, w->n_cols, &x.group_bytes) &&
                            packed_bytes(x.type, w->n_cols, w->n_rows, &x.bytes)
                      : size_mul(x.row_bytes, PACKED_ROWS, &x.group_bytes) &&
                            size_mul(x.row_bytes, w->n_rows, &x.bytes);
    return fits ? add_item(p, x, e) : too_large(e);
}

static int consider_layer(struct pack_plan *p, const struct model *m, int32_t i, struct err *e)
{
    struct layer *l = &m->layers[i];
    int code = consider(p, m, &l->q, "attn_q", i, e);
    if (!code)
        code = consider(p, m, &l->k, "attn_k", i, e);
    if (!code)
        code = consider(p, m, &l->v, "attn_v", i, e);
    if (!code)
        code = consider(p, m, &l->o, "attn_output", i, e);
    if (!code)
        code = consider(p, m, &l->gate, "ffn_gate", i, e);
    if (!code)
        code = consider(p, m, &l->up, "ffn_up", i, e);
    if (!code)
        code = consider(p, m, &l->down, "ffn_down", i, e);
    for (int32_t n = 0; l->experts && n < m->traits.n_expert && !code; n++) {
        code = consider(p, m, &l->experts[n].gate, "expert's gate", i, e);
        if (!code)
            code = consider(p, m, &l->experts[n].up, "expert's up", i, e);
        if (!code)
            code = consider(p, m, &l->experts[n].down, "expert's down", i, e);
    }
    return code;
}

/* "Q4_K (from BF16)": the type of most bytes, and the file's own where that is another. */
static void name_plan(struct pack_plan *p, const struct model *m)
{
    uint64_t bytes[PACK_WTYPES] = {0};
    uint32_t most = UINT32_MAX;
    for (size_t i = 0; i < p->n; i++) {
        uint32_t type = p->items[i].type;
        bytes[type] += p->items[i].bytes;
        if (most == UINT32_MAX || bytes[type] > bytes[most])
            most = type;
    }
    const char *own = m->info.quantization;
    bool other = p->target.name[0] && p->n && strcmp(wtype_info(most)->name, own) != 0;
    if (other)
        snprintf(p->label, sizeof p->label, "%s (from %.16s)", wtype_info(most)->name, own);
    else
        snprintf(p->label, sizeof p->label, "%.39s", own);
}

static bool changes_type(const struct pack_plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].type != p->items[i].w->type)
            return true;
    return false;
}

int pack_plan_open(struct pack_plan *out, struct model *m, const char *quant, struct err *e)
{
    struct pack_plan p = {.n = 0};
    int code = pack_target_parse(&p.target, quant, e);
    /* in the order in which a pass reads them */
    if (!code)
        code = consider(&p, m, &m->embedding_in, "embedding_in", -1, e);
    for (int32_t i = 0; i < m->traits.n_layer && !code; i++)
        code = consider_layer(&p, m, i, e);
    if (!code)
        code = consider(&p, m, &m->head_in, "output_in", -1, e);
    if (!code)
        code = consider(&p, m, &m->head, "output", -1, e);
    if (code) {
        pack_plan_close(&p);
        return code;
    }
    if (p.target.name[0] && p.n == 0 && p.n_unfit) {
        code = err_set(e, ERR_UNSUPPORTED,
                       "quantization '%s': no matrix of the model has rows of a multiple of 32 "
                       "elements",
                       quant);
        pack_plan_close(&p);
        return code;
    }
    /* asked for something that changes nothing: the same file serves as without asking */
    if (p.target.name[0] && !changes_type(&p)) {
        log_info("quantization '%s': the model's matrices have no more bits than that already",
                 p.target.name);
        p.target = (struct pack_target){.name = ""};
    }
    name_plan(&p, m);
    *out = p;
    return 0;
}

void pack_plan_close(struct pack_plan *p)
{
    free(p->items);
    *p = (struct pack_plan){.n = 0};
}

/* ---- in bytes ---- */

static void put_u64(struct buf *out, uint64_t v)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < 8; i++, v >>= 8)
        bytes[i] = (uint8_t)v;
    buf_put(out, bytes, sizeof bytes);
}

int pack_plan_table(const struct pack_plan *p, struct buf *out, struct err *e)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct pack_item *x = &p->items[i];
        put_u64(out, x->offset);
        put_u64(out, x->bytes);
        put_u64(out, x->w->n_rows);
        put_u64(out, x->w->n_cols);
        put_u64(out, (uint64_t)x->type << 1 | x->rows);
    }
    return buf_check(out, "the table of a packed model", e);
}

void pack_item_name(const struct pack_item *x, char out[PACK_WHAT_SIZE])
{
    if (x->layer < 0)
        snprintf(out, PACK_WHAT_SIZE, "%s", x->place);
    else
        snprintf(out, PACK_WHAT_SIZE, "layer %d, %s", (int)x->layer, x->place);
}
