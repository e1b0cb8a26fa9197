/* SPDX-License-Identifier: MIT */
/* libwattle: runs language models on small machines and says what each request cost.
 *
 * A model is opened from its files and generates text for one request at a time; calls from
 * several threads wait for each other in order. The library never prints, exits, reads the
 * environment or installs signal handlers. Every function that can fail returns 0 or a negative
 * WATTLE_E… and writes one line to error (error_size bytes, always terminated; NULL, 0 is fine);
 * outputs stay untouched on failure. */
#ifndef WATTLE_H
#define WATTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WATTLE_API __attribute__((visibility("default")))

enum wattle_error {
    WATTLE_OK = 0,
    WATTLE_ENOMEM = -1,       /* an allocation failed */
    WATTLE_EIO = -2,          /* the operating system refused */
    WATTLE_EFORMAT = -3,      /* a file is not what it claims to be */
    WATTLE_EUNSUPPORTED = -4, /* well-formed, but not something that we can do */
    WATTLE_ERANGE = -5,       /* a value outside of its range */
    WATTLE_EUSAGE = -6,     /* a wrong call, or a conversation that the model's template refuses */
    WATTLE_ECANCELLED = -7, /* keep_going said stop */
    WATTLE_ENOTFOUND = -8,  /* no such file or model */
    WATTLE_ELIMIT = -9,     /* a bound would be passed: prompt too long, memory */
};

WATTLE_API const char *wattle_version(void);

/* ---- models ---- */

struct wattle_model;

struct wattle_model_options {
    /* A GGUF file (of a split model any part), a .safetensors file or the index of its shards
     * (….safetensors.index.json), or a folder in Hugging Face layout. config.json and the
     * tokenizer's files lie beside safetensors. */
    const char *path;
    int threads;     /* compute threads; 0: what cgroup, quota and affinity mask allow */
    int32_t context; /* longest sequence in tokens; 0: 4096; at most the model's own counts */
    const char *isa; /* cap on the machine code ("c", "avx2", "vnni", "neon", "dotprod"), or NULL */
    bool exact; /* every product in 32-bit floats on dequantized weights: slower, for comparisons */
    /* NULL or "": the weights as the file has them; else "q4" (4 bits, the most important matrices
     * more), "q8", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q6_k", "f16", "bf16" or
     * "f32": matrices that have more bits than that are quantized. */
    const char *quant;
    /* Where packed weights are kept, for every process of the machine to share: see
     * wattle_packed_folder. NULL: they are made in this process's own memory, each time. */
    const char *packed_folder;
    /* On the calling thread, while weights are packed for the first use; NULL: not called. */
    void (*on_progress)(void *context, uint64_t done_bytes, uint64_t bytes);
    bool (*keep_going)(void *context); /* false: WATTLE_ECANCELLED; NULL: never asked */
    void *callback_context;            /* what both get */
};

/* Whether quant is one of the words above. WATTLE_EUSAGE: error names them. */
WATTLE_API int wattle_check_quant(const char *quant, char *error, size_t error_size);

/* The place for packed weights by the XDG rules: $XDG_CACHE_HOME/wattle/packed, else
 * HOME/.cache/wattle/packed; each may be NULL. WATTLE_ENOTFOUND: neither is set; WATTLE_ELIMIT: out
 * is too small. */
WATTLE_API int wattle_packed_folder(const char *xdg_cache_home, const char *home, char *out,
                                    size_t out_size);

/* Maps the weights and checks them. The first time that a model is opened its weights are brought
 * into the order in which they are computed with, and kept in packed_folder; another process that
 * does that already is waited for. The model must outlive every call on it. A file without
 * vocabulary opens; wattle_generate and wattle_count_tokens then answer WATTLE_EUNSUPPORTED. A chat
 * template that cannot be used is a warning in the log, and the model counts as one without. A
 * context whose keys and values exceed the cgroup's memory limit is WATTLE_ELIMIT. */
WATTLE_API int wattle_model_open(struct wattle_model **out,
                                 const struct wattle_model_options *options, char *error,
                                 size_t error_size);
/* Waits for a call that is running; NULL and *model == NULL are fine. */
WATTLE_API void wattle_model_close(struct wattle_model **model);

/* How tokens are drawn. */
struct wattle_sampling {
    float temperature;        /* 0: greedy */
    int32_t top_k;            /* 0: off */
    float top_p;              /* 1: off */
    float min_p;              /* 0: off */
    float repetition_penalty; /* 1: off; as Hugging Face: over prompt and answer */
};

struct wattle_model_info {
    char name[128];
    char architecture[32];
    char quantization[40]; /* "Q4_1", "BF16", "Q4_K (from BF16)" */
    char isa[16];          /* machine code in use: "avx2" */
    char device[8];        /* "cpu" */
    uint64_t file_bytes;   /* of the model's own files */
    uint64_t mapped_bytes; /* of files that computing reads, packed weights among them: shared by
                            * every process that has them open */
    uint64_t packed_bytes; /* of packed weights, 0: none; in memory of our own if packed_private */
    bool packed_private;
    uint64_t parameters;
    uint64_t kv_bytes, scratch_bytes; /* private memory that the model holds */
    int32_t vocabulary, context, layers;
    int threads;
    bool has_template;
    /* What a request that leaves a value to the model gets: the publisher's
     * (generation_config.json; general.sampling.* of GGUF; "do_sample": false is temperature 0),
     * where those are silent temperature 0.7, top_p 0.9, repetition_penalty 1, the rest off. */
    struct wattle_sampling sampling;
    double load_seconds;
};
WATTLE_API void wattle_model_info(const struct wattle_model *model, struct wattle_model_info *out);

/* ---- one request ---- */

struct wattle_message {
    const char *role;    /* "system", "user", "assistant", "tool" */
    const char *content; /* UTF-8; chat markup in it stays text */
};

/* A conversation goes through the model's own chat template and ends with the opening of the
 * assistant's turn. Where the template refuses a system message, its text and an empty line are put
 * before the first user text. A model without template (has_template false; the log says so when it
 * is opened) gets the plain form "SYSTEM\n\nUser: TEXT\n\nAssistant:", and an answer ends before
 * "\nUser:". The template's clock is UTC. */

enum { WATTLE_UNSET = -1 }; /* a value of wattle_sampling that is left to the model */

struct wattle_request {
    const struct wattle_message
        *messages; /* a conversation, put through the model's chat template… */
    size_t n_messages;
    const char *prompt;     /* …or, when messages is NULL, a UTF-8 text to go on from as it
                             * stands: special tokens written in it are those tokens */
    int32_t max_length;     /* tokens of prompt + answer; 0: the context, which bounds it anyhow;
                             * a prompt that leaves no room is WATTLE_ELIMIT */
    int32_t max_new_tokens; /* 0: no limit of its own */
    struct wattle_sampling sampling; /* each WATTLE_UNSET, or in its range */
    uint64_t seed;                   /* the same request with the same seed gives the same answer */
    const char *const *stop; /* texts of 1 to 256 bytes that end the answer and are cut off it */
    size_t n_stop;           /* at most 16 */
    /* Complete UTF-8 as it becomes certain, on the calling thread; NULL: none. */
    void (*on_text)(void *context, const char *text, size_t bytes);
    /* Called on the calling thread when the request's turn has come, after the wait in the queue:
     * where a measurement begins. NULL: none. */
    void (*on_start)(void *context);
    /* Asked several times a token and, while waiting in the queue, every 50 ms; false ends the call
     * with WATTLE_ECANCELLED. NULL: never asked. */
    bool (*keep_going)(void *context);
    void *context;
};

/* max_length 512, all of sampling left to the model, the rest off. */
WATTLE_API void wattle_request_init(struct wattle_request *request);

/* What the request's tokens are drawn with: its own values, the model's where those are unset. */
WATTLE_API void wattle_request_sampling(const struct wattle_model *model,
                                        const struct wattle_request *request,
                                        struct wattle_sampling *out);

enum wattle_finish { WATTLE_FINISH_STOP /* end token or stop text */, WATTLE_FINISH_LENGTH };

struct wattle_usage {
    int32_t prompt_tokens;     /* cached ones included */
    int32_t cached_tokens;     /* taken from an earlier request's work */
    int32_t completion_tokens; /* the end token not counted */
    uint64_t queue_ns;         /* waiting for other requests */
    uint64_t prefill_ns;       /* from the turn's start to the first logits */
    uint64_t decode_ns;        /* from there to the last token */
    uint64_t first_token_ns;   /* from the turn's start to the first text or token */
    uint64_t total_ns;         /* turn's start to end */
    uint64_t multiply_adds;    /* the request's share of work, … */
    uint64_t bytes_read;       /* … weights and KV */
    uint64_t kv_bytes;         /* its keys and values at the end */
    uint64_t scratch_bytes;    /* activations, logits */
    int threads;
};

struct wattle_result {
    char *text; /* NUL-terminated UTF-8; free with wattle_result_release */
    size_t text_bytes;
    size_t text_characters;
    size_t prompt_characters; /* of the rendered prompt */
    enum wattle_finish finish;
    struct wattle_usage usage;
};

/* Blocks until done. On failure result is zeroed; a cancelled call keeps nothing. */
WATTLE_API int wattle_generate(struct wattle_model *model, const struct wattle_request *request,
                               struct wattle_result *result, char *error, size_t error_size);
WATTLE_API void wattle_result_release(struct wattle_result *result);

/* Number of tokens of the rendered conversation or prompt: what a limit will be held against. */
WATTLE_API int wattle_count_tokens(struct wattle_model *model, const struct wattle_request *request,
                                   int32_t *out, char *error, size_t error_size);

/* ---- log ---- */

/* level 0 debug … 3 error; line without newline. Process-wide; NULL: silent (the default). */
WATTLE_API void wattle_log_to(void (*sink)(void *context, int level, const char *line),
                              void *context, int least_level);

#ifdef __cplusplus
}
#endif

#endif
