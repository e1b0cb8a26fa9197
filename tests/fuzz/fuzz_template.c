/* SPDX-License-Identifier: MIT */
/* Chat templates: any source either renders or fails with a message, appends nothing when it fails,
 * gives the same text twice, and stays within its bounds. */
#include "text/template.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char variables[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\","
    "\"content\":\" h\\u00e9llo \\ud83d\\ude00 \"},{\"role\":\"assistant\",\"content\":"
    "\"<think>\\nx</think>\\n\\nok\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
    "{\"a\":[1,2.5,null,true]}}}]}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
    "\"parameters\":{\"properties\":{\"a\":{\"type\":\"string\"}}}}}],\"s\":\"a b,c\",\"n\":7,"
    "\"l\":[3,1,2],\"d\":{\"b\":1,\"a\":\"x\"}}";

static int render(const struct template *t, const struct json *v, struct buf *out, struct err *e)
{
    struct template_input in = {
        .messages = json_get(v, "messages"),
        .tools = json_get(v, "tools"),
        .variables = v,
        .add_generation_prompt = true,
        .bos_token = span_of("<s\xff>", 4),
        .now_seconds = 1751632496,
    };
    buf_init(out, 32 << 20);
    buf_str(out, "#");
    int rc = template_render(t, &in, out, e);
    if (rc ? out->n != 1 || e->text[0] == '\0' : out->n < 1)
        abort();
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json *v;
    struct template *t = NULL;
    struct err e = {""}, e2 = {""};
    struct buf one, two;
    if (!v && json_parse(&v, span_str(variables), sizeof variables, "variables", &e))
        abort();
    if (template_open(&t, span_of(data, size), &e)) {
        if (t || e.text[0] == '\0')
            abort();
        return 0;
    }
    int rc = render(t, v, &one, &e);
    if (rc != render(t, v, &two, &e2) || !span_eq(buf_view(&one), buf_view(&two)))
        abort();
    buf_release(&one);
    buf_release(&two);
    template_close(&t);
    return 0;
}
