/* SPDX-License-Identifier: MIT */
/* One file of a folder in Hugging Face layout from bytes, the others as they should be: its name is
 * the input's first line. Whatever opens gives sampling values within their ranges, and its
 * template, if there is one, can be rendered or says why not; what does not open must say why. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static const char tokenizer[] =
    "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true,"
    "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false}],"
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\","
    "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void path_of(char out[256], const char *name)
{
    snprintf(out, 256, "%s/%s", folder, name);
}

static void put(const char *name, struct span bytes)
{
    char path[256];
    path_of(path, name);
    FILE *f = fopen(path, "we"); /* file_write_atomic waits for the disk */
    require(f && (bytes.n == 0 || fwrite(bytes.p, 1, bytes.n, f) == bytes.n) && fclose(f) == 0);
}

static void remove_folder(void)
{
    rmdir(folder);
}

static void make_folder(void)
{
    if (folder[0])
        return;
    snprintf(folder, sizeof folder, "/tmp/wattle-fuzz-XXXXXX");
    require(mkdtemp(folder) != NULL);
    atexit(remove_folder);
}

static bool in(float v, float min, float max)
{
    return v == -1 || (v >= min && v <= max);
}

static void render(const struct template *t)
{
    struct json *messages = NULL;
    struct err e = {""};
    struct buf out;
    require(json_parse(&messages, span_str("[{\"role\":\"user\",\"content\":\"a\"}]"), 4096, "m",
                       &e) == 0);
    struct template_input input = {.messages = messages, .add_generation_prompt = true};
    buf_init(&out, 1 << 26);
    require(template_render(t, &input, &out, &e) == 0 || e.text[0]);
    buf_release(&out);
    json_close(&messages);
}

static void open_folder(void)
{
    struct model_text *t = NULL;
    struct model_sampling s;
    struct err e = {""};
    if (model_text_open(&t, folder, &e)) {
        require(e.text[0] && !t);
        return;
    }
    require(model_text_tokenizer(t) != NULL);
    for (int32_t id = -1; id < 8; id++)
        (void)model_text_is_end(t, id);
    model_text_sampling(t, &s);
    require(in(s.temperature, 0, 100) && in(s.top_p, 0, 1) && in(s.min_p, 0, 1));
    require(in(s.repetition_penalty, 0.01F, 10) && s.top_k >= -1 && s.top_k <= 1000000);
    require(!model_text_template(t) || !model_text_template_error(t));
    if (model_text_template(t))
        render(model_text_template(t));
    model_text_close(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"generation_config.json", "config.json",
                                        "tokenizer_config.json",  "chat_template.jinja",
                                        "chat_template.json",     "special_tokens_map.json",
                                        "added_tokens.json",      "tokenizer.json"};
    const uint8_t *end = memchr(data, '\n', size);
    struct span name = span_of(data, end ? (size_t)(end - data) : 0);
    char path[256];
    make_folder();
    put("tokenizer.json", span_of(tokenizer, sizeof tokenizer - 1));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (span_is(name, names[i])) {
            put(names[i], span_sub(span_of(data, size), name.n + 1, size));
            open_folder();
            path_of(path, names[i]);
            unlink(path);
        }
    path_of(path, "tokenizer.json");
    unlink(path);
    return 0;
}
