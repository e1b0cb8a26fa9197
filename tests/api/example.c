/* SPDX-License-Identifier: MIT */
/* The smallest use of libwattle from C: opens a model, asks one question, says what it cost. Built
 * and run by the tests with nothing but <wattle.h> and libwattle. */
#include <wattle.h>

#include <stdio.h>

static void print_text(void *context, const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, (FILE *)context);
}

int main(int argc, char **argv)
{
    char error[512];
    struct wattle_model *model = NULL;
    if (argc < 2) {
        printf("libwattle %s: example MODEL [QUESTION]\n", wattle_version());
        return 2;
    }
    struct wattle_model_options options = {.path = argv[1], .context = 256};
    if (wattle_model_open(&model, &options, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    struct wattle_model_info info;
    wattle_model_info(model, &info);
    printf("%s: %d layers, %s, %d threads\n", info.name, (int)info.layers, info.quantization,
           info.threads);

    struct wattle_message message = {"user", argc > 2 ? argv[2] : "What is a sensor?"};
    struct wattle_request request;
    wattle_request_init(&request);
    request.messages = &message;
    request.n_messages = 1;
    request.sampling.temperature = 0;
    request.max_new_tokens = 16;
    request.on_text = print_text;
    request.context = stdout;
    struct wattle_result result;
    int code = wattle_generate(model, &request, &result, error, sizeof error);
    if (code == 0)
        printf("\n%d tokens in %.0f ms\n", (int)result.usage.completion_tokens,
               (double)result.usage.total_ns / 1e6);
    else
        fprintf(stderr, "%s\n", error);
    wattle_result_release(&result);
    wattle_model_close(&model);
    return code == 0 || code == WATTLE_EUNSUPPORTED ? 0 : 1;
}
