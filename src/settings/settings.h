/* SPDX-License-Identifier: MIT */
/* settings: one table (name, flag, type, range, default, help) from which flags, environment,
 * --help and --print-config are made.
 *
 * Owns: the table, config files, its parsing and its precedence: flag, environment, config,
 * default. May include: base, codec. Start reading: table.c. */
#ifndef WATTLE_SETTINGS_SETTINGS_H
#define WATTLE_SETTINGS_SETTINGS_H

#include "base/base.h"

/* One enumerator a setting; the order is that of the table. Environment names are the ones given in
 * the comment; the flag is the same in lower case with dashes (LLM_TEMPERATURE is
 * --llm-temperature). */
enum setting_id {
    SET_ENABLE_LLM,             /* bool, false */
    SET_LLM_MODEL_NAME,         /* text, microsoft/Phi-3.5-mini-instruct; --llm-model too */
    SET_LLM_INFERENCE_INTERVAL, /* int 1..1000000, 5 messages */
    SET_LLM_MAX_LENGTH,         /* int 1..1048576, 512 tokens, prompt + generated */
    SET_LLM_MAX_NEW_TOKENS,     /* int 0..1048576, 0: no limit of its own */
    SET_LLM_TEMPERATURE,        /* float 0..100, 0.7 */
    SET_LLM_TOP_P,              /* float 0..1, 0.9 */
    SET_LLM_TOP_K,              /* int 0..1000000, 0 off */
    SET_LLM_MIN_P,              /* float 0..1, 0 */
    SET_LLM_REPETITION_PENALTY, /* float 0.01..10, 1 */
    SET_LLM_SEED,               /* u64 (settings_int gives its bits) or empty text: a fresh one */
    SET_LLM_THREADS,            /* int 0..256, 0: what may be used */
    SET_LLM_QUANT,              /* q4 q8 q4_0 … f32, empty: as the file */
    SET_LLM_PACKED_DIR,         /* path, empty: by XDG_CACHE_HOME and HOME; "none": in memory */
    SET_LLM_STOP,               /* text, empty: none; at most 16, separated by newline */
    SET_LLM_ENDPOINT,           /* URL of a server that runs the model; empty: we do */
    SET_LLM_API_KEY,            /* text, empty, secret */
    SET_LLM_API_KEY_FILE,       /* path, empty */
    SET_LLM_PROMPT_FILE,        /* path, empty: built in; not together with the next two */
    SET_LLM_PROMPT_SYSTEM,      /* text, empty: the built-in system text */
    SET_LLM_PROMPT_USER,        /* text, empty: the built-in user text */
    SET_DEVICE_NAME,            /* text, edge-device */
    SET_DEVICE_ID,              /* text, 00:0f:00:70:91:0a */
    SET_MQTT_BROKER,            /* text, mqtt-broker; run: empty = private broker unless named */
    SET_MQTT_PORT,              /* int 1..65535, 1883 */
    SET_MQTT_USERNAME,          /* text, empty */
    SET_MQTT_PASSWORD,          /* text, empty, secret */
    SET_MQTT_PASSWORD_FILE,     /* path, empty */
    SET_MQTT_CA_FILE,           /* path, empty: no TLS */
    SET_MQTT_CERT_FILE,         /* only together with the key and the CA */
    SET_MQTT_KEY_FILE,
    SET_MQTT_TLS,          /* bool, false: TLS against the system's authorities, or those of
                              MQTT_CA_FILE, which alone means TLS too */
    SET_MQTT_VERSION,      /* "5" or "3.1.1", 5 */
    SET_MQTT_TOPIC_PREFIX, /* text, iot */
    SET_MQTT_KEEPALIVE,    /* int 5..65535, 60 s */
    SET_MQTT_QUEUE_DIR,    /* path, empty: queue/ in METRICS_DIR; only where messages wait */
    SET_MQTT_QUEUE_MAX,    /* int 1..10000000, 10000 messages a device */
    SET_METRICS_DIR,       /* path, metrics (device in a container: /app/metrics by environment) */
    SET_DATASET_PATH,      /* path, empty: data/telemetry-24h.csv or the installed one */
    SET_HEALTH_FILE,       /* path, empty: none is written; what `wattle health` reads */
    SET_POWER_PROFILE, /* name of a board, empty: none; POWER_IDLE_W and POWER_MAX_W go before */
    SET_POWER_IDLE_W,  /* float 0..10000, 5 */
    SET_POWER_MAX_W,   /* float 0..10000, 15 */
    SET_LOG_LEVEL,     /* debug info warning error, info */
    SET_INTERVAL,      /* TELEMETRY_INTERVAL, seconds between messages: "1-5" or "2.5",
                          0.001..86400; --interval too */
    SET_RATE,          /* TELEMETRY_RATE, messages a second and device, 0 (by interval) or
                          0.00001..1000; --rate too; not together with SET_INTERVAL */
    /* float or empty text: no such limit, settings_float is NAN then */
    SET_ALARM_TEMP_MIN, /* °C, -1000..10000 */
    SET_ALARM_TEMP_MAX,
    SET_ALARM_HUMIDITY_MIN, /* %, -1000..1000 */
    SET_ALARM_HUMIDITY_MAX,
    SET_ALARM_CO_MAX, /* gas ratios, 0..1000000 */
    SET_ALARM_SMOKE_MAX,
    SET_ALARM_LPG_MAX,
    SET_HF_HOME,        /* path, empty: $XDG_CACHE_HOME/huggingface, ~/.cache/huggingface */
    SET_HF_HUB_CACHE,   /* path, empty: HF_HOME/hub */
    SET_HF_TOKEN,       /* text, empty, secret */
    SET_HF_TOKEN_PATH,  /* path, empty: HF_HOME/token */
    SET_HF_ENDPOINT,    /* text, https://huggingface.co */
    SET_HF_HUB_OFFLINE, /* bool, false */
    SET_HF_HUB_DOWNLOAD_TIMEOUT, /* float 0.1..86400, 10 s */
    SET_DASHBOARD_ADDRESS,       /* text, 127.0.0.1 */
    SET_DASHBOARD_PORT,          /* int 0..65535, 8080; 0: a free one */
    SET_DASHBOARD_TOKEN,         /* text, empty, secret */
    SET_DASHBOARD_TOKEN_FILE,    /* path, empty */
    SET_WATTLE_CONFIG,           /* file or folder, /etc/edge-device; --config; every command that
                                    takes settings has it */
    SET_SERVE_ADDRESS,           /* text, 127.0.0.1 */
    SET_SERVE_PORT,              /* int 0..65535, 8090; 0: a free one */
    SET_WATTLE_SYSROOT,          /* path, / */
    SET_WATTLE_ISA,              /* c avx2 vnni neon dotprod, empty: best */
    SET_N
};

/* What one command takes beyond the table: its own options and words. */
enum option_type {
    OPTION_FLAG, /* --json, --json=false */
    OPTION_INT,
    OPTION_FLOAT,
    OPTION_TEXT,    /* any bytes, 1 to 64 KiB: an empty file name is a forgotten one */
    OPTION_PHRASE,  /* the same, may be empty */
    OPTION_DURATION /* 30m, 90s, 2h, 1d, 1h30m, 500ms; without unit: seconds */
};
struct option {
    const char *name; /* "devices": --devices N or --devices=N */
    enum option_type type;
    const char *value;    /* for help: "N" */
    double min, max;      /* OPTION_INT, OPTION_FLOAT, OPTION_DURATION (seconds) */
    const char *fallback; /* default as text, NULL: none */
    const char *help;     /* one line */
};

struct command_spec {
    const char *name;                /* "run" */
    const char *usage;               /* "wattle run --devices N [--enable-llm] …" */
    const char *summary;             /* one line */
    const char *notes;               /* more paragraphs with an example, or NULL */
    const struct option *options;    /* own options, ended by name == NULL; may be NULL */
    const enum setting_id *settings; /* which of the table concern it, ended by SET_N */
    int min_words, max_words;        /* words that are no flags */
    /* Without MQTT_BROKER it has a broker of its own: --help and --print-config say that, not the
     * default. */
    bool private_broker;
    /* It is many devices: what a config says of single ones is checked at once, and
     * settings_of_device gives it. */
    bool many_devices;
    bool separate_devices; /* each in a process of its own: they may differ in all but names */
};

struct settings; /* immutable once parsed */

enum settings_result {
    SETTINGS_GO = 0,
    SETTINGS_DONE = 1 /* --help or --print-config was answered on out */
};

/* argv[0] is the first word after the command's name. environ as in environ(7); an empty variable
 * counts as not set, of a flag given twice the last counts. Only the settings that the command
 * names are checked; the others have their defaults. ERR_USAGE: one line that names option or
 * variable, value and what is allowed (an unknown flag also the nearest known); a variable that
 * looks like a misspelt one of ours is a warning in the log. out: where --help and --print-config
 * go. *s is set only with SETTINGS_GO; its words are borrowed from argv. */
int settings_parse(struct settings **s, const struct command_spec *spec, int argc, char **argv,
                   char **environment, struct buf *out, struct err *e);
void settings_free(struct settings **s);

bool settings_bool(const struct settings *s, enum setting_id id);
int64_t settings_int(const struct settings *s, enum setting_id id);
double settings_float(const struct settings *s, enum setting_id id);
const char *settings_text(const struct settings *s, enum setting_id id); /* never NULL */
/* The value where it was given, else otherwise. */
int64_t settings_int_or(const struct settings *s, enum setting_id id, int64_t otherwise);
double settings_float_or(const struct settings *s, enum setting_id id, double otherwise);
/* By flag, environment or config. */
bool settings_given(const struct settings *s, enum setting_id id);
const char *settings_env_name(enum setting_id id);

bool settings_option_given(const struct settings *s, const char *name);
int64_t settings_option_int(const struct settings *s, const char *name);
double settings_option_float(const struct settings *s, const char *name); /* durations in seconds */
const char *settings_option_text(const struct settings *s,
                                 const char *name); /* NULL if not given and no fallback */
bool settings_option_flag(const struct settings *s, const char *name);
int settings_words(const struct settings *s);
const char *settings_word(const struct settings *s, int i);

/* Interval "1-5" checked at parsing: its two ends in seconds. */
void settings_interval(const struct settings *s, double *min_s, double *max_s);

/* Puts "FILE:LINE:COLUMN: " before a text that begins with the name of a setting ("MQTT_PORT: …")
 * whose value came from a config file; else leaves it. Twice is once. */
void settings_say_where(const struct settings *s, struct err *e);

enum { SETTINGS_SECRET_MAX = 65536 };
/* The secret itself, or the content of the file that the other setting names, without line ends at
 * its end; "": neither is given. The file goes first. out: of at least SETTINGS_SECRET_MAX. */
int settings_secret(const struct settings *s, enum setting_id id, enum setting_id file_id,
                    struct buf *out, struct err *e);

/* What one device of many has: s itself, or s with what the config says of that name or id over it;
 * both live as long as s. ERR_USAGE: the config names the device twice. One thread. */
int settings_of_device(const struct settings **out, const struct settings *s, const char *name,
                       const char *id, struct err *e);
/* Whether a bool is true for all devices or, in the config, for any. */
bool settings_any_device(const struct settings *s, enum setting_id id);
/* A line in the log for each device of the config that settings_of_device was never asked for. */
void settings_warn_of_absent_devices(const struct settings *s);

enum help_format { HELP_TEXT, HELP_MARKDOWN, HELP_MAN };
/* What --help says of a command, as text, as a page of Markdown or as a man page. */
void settings_help(struct buf *out, const struct command_spec *spec, enum help_format format);

/* Of n known names the one that name, which is none of them, was probably meant to be; NULL: none
 * is near. */
const char *settings_nearest(const char *name, const char *const *known, size_t n);

#endif
