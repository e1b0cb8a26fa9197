/* SPDX-License-Identifier: MIT */
/* wattle pull: a model from the hub into its cache. */
#include "cli/cli.h"

#include "cli/hub_setup.h"
#include "codec/codec.h"

#include <stdio.h>

enum { JOBS_MAX = 64, JSON_BYTES_MAX = 1 << 20 };

static int print_json(const char *name, const struct hub_result *r, struct err *e)
{
    struct json_writer w;
    struct buf out;
    buf_init(&out, JSON_BYTES_MAX);
    json_write_init(&w, &out, 0);
    json_write_object(&w);
    json_put_str(&w, "model", name);
    json_put_span(&w, "path", buf_view(&r->path));
    json_put_span(&w, "snapshot", buf_view(&r->folder));
    json_put_str(&w, "commit", r->commit);
    json_put_u64(&w, "files", r->n_files);
    json_put_u64(&w, "fetched_bytes", r->fetched_bytes);
    json_put_u64(&w, "reused_bytes", r->reused_bytes);
    json_write_object_end(&w);
    buf_char(&out, '\n');
    int rc = buf_check(&out, "the result", e);
    if (rc == 0)
        fwrite(out.p, 1, out.n, stdout);
    buf_release(&out);
    return rc;
}

static int run(const struct settings *s, struct err *e)
{
    struct hub_options o;
    struct hub_result r = {.n_files = 0};
    const char *name = settings_word(s, 0);
    hub_setup(&o, s);
    o.jobs = (int)settings_option_int(s, "jobs");
    if (settings_option_flag(s, "quiet"))
        o.progress = NULL;
    int rc = hub_pull(&o, name, settings_option_text(s, "file"), &r, e);
    if (rc == 0 && settings_option_flag(s, "json"))
        rc = print_json(name, &r, e);
    else if (rc == 0)
        printf("%s\n%llu %s, %llu %s\n", buf_cstr(&r.path), (unsigned long long)r.fetched_bytes,
               plural(r.fetched_bytes, "byte fetched", "bytes fetched"),
               (unsigned long long)r.reused_bytes,
               plural(r.reused_bytes, "byte reused", "bytes reused"));
    else if (r.choices.n)
        fprintf(stderr, "GGUF files of '%s':\n%s", name, buf_cstr(&r.choices));
    hub_result_release(&r);
    hub_setup_end();
    return exit_code_of(rc);
}

static const struct option options[] = {
    {.name = "file",
     .type = OPTION_TEXT,
     .value = "NAME",
     .help = "this file of the repository alone (of a split GGUF all parts)"},
    {.name = "jobs",
     .type = OPTION_INT,
     .value = "N",
     .min = 1,
     .max = JOBS_MAX,
     .fallback = "4",
     .help = "files at a time"},
    {.name = "quiet", .type = OPTION_FLAG, .help = "no progress"},
    {.name = "json", .type = OPTION_FLAG, .help = "one JSON object instead of two lines"},
    {.name = NULL},
};

static const enum setting_id settings[] = {SET_HF_HOME,
                                           SET_HF_HUB_CACHE,
                                           SET_HF_TOKEN,
                                           SET_HF_TOKEN_PATH,
                                           SET_HF_ENDPOINT,
                                           SET_HF_HUB_OFFLINE,
                                           SET_HF_HUB_DOWNLOAD_TIMEOUT,
                                           SET_LOG_LEVEL,
                                           SET_N};

static const struct command_spec spec = {
    .name = "pull",
    .usage = "wattle pull NAME[@REVISION] [--file NAME] [--jobs N] [--quiet] [--json]",
    .summary = "downloads a model from the Hugging Face hub",
    .notes =
        "NAME is ORG/NAME on the hub, REVISION a branch, a tag or a commit (main). What a model\n"
        "needs is fetched and checked: its safetensors with config and tokenizer, or its GGUF;\n"
        "of several GGUF files --file picks one. It lies in the cache that Python's\n"
        "huggingface_hub uses too, and what lies there already is not fetched again. A download\n"
        "that was cut or interrupted goes on where it was. Proxies are taken from https_proxy,\n"
        "http_proxy, all_proxy and no_proxy. Prints where the model lies and how much came.\n\n"
        "  wattle pull TinyLlama/TinyLlama-1.1B-Chat-v1.0\n"
        "  wattle pull Qwen/Qwen2.5-0.5B-Instruct-GGUF --file qwen2.5-0.5b-instruct-q4_k_m.gguf",
    .options = options,
    .settings = settings,
    .min_words = 1,
    .max_words = 1,
};

const struct command command_pull = {.spec = &spec, .run = run};
