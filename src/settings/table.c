/* SPDX-License-Identifier: MIT */
/* The one table of settings: whatever is added here has a flag, an environment variable, a check,
 * its help and a line in --print-config. The order of the rows does not matter, that of enum
 * setting_id is used for output. */
#include "settings/table.h"

#define WHOLE(low, high)                               \
    {                                                  \
        .type = VALUE_INT, .min = (low), .max = (high) \
    }
#define NUMBER(low, high)                                \
    {                                                    \
        .type = VALUE_FLOAT, .min = (low), .max = (high) \
    }
#define TEXT(what, longest)                                        \
    {                                                              \
        .type = VALUE_TEXT, .kind = (what), .max_bytes = (longest) \
    }
#define MAYBE(what, longest)                                                             \
    {                                                                                    \
        .type = VALUE_TEXT, .kind = (what), .max_bytes = (longest), .may_be_empty = true \
    }

enum {
    PATH_BYTES = 4095,  /* PATH_MAX less its NUL */
    MQTT_BYTES = 65535, /* the longest field of an MQTT packet */
    ID_BYTES = 128,     /* our contract for DEVICE_ID and DEVICE_NAME */
    HOST_BYTES = 253,   /* RFC 1035 */
    TOKEN_BYTES = 4096, /* the hub's have 37 */
    LONGEST_TOKENS = 1048576
};

const struct setting settings_table[SET_N] = {
    [SET_ENABLE_LLM] = {"ENABLE_LLM",
                        "enable-llm",
                        NULL,
                        "BOOL",
                        "false",
                        "whether devices analyse their telemetry with a language model",
                        {.type = VALUE_BOOL}},
    [SET_LLM_MODEL_NAME] =
        {"LLM_MODEL_NAME", "llm-model-name", "llm-model", "MODEL",
         "microsoft/Phi-3.5-mini-instruct",
         "a GGUF or safetensors file, a folder, or the name of a model on the Hugging Face hub",
         TEXT(TEXT_LINE, PATH_BYTES)},
    [SET_LLM_INFERENCE_INTERVAL] = {"LLM_INFERENCE_INTERVAL", "llm-inference-interval", NULL, "N",
                                    "5", "one analysis every N messages", WHOLE(1, 1000000)},
    [SET_LLM_MAX_LENGTH] = {"LLM_MAX_LENGTH", "llm-max-length", NULL, "N", "512",
                            "most tokens of prompt and answer together", WHOLE(1, LONGEST_TOKENS)},
    [SET_LLM_MAX_NEW_TOKENS] = {"LLM_MAX_NEW_TOKENS", "llm-max-new-tokens", NULL, "N", "0",
                                "most tokens of the answer; 0: no limit of its own",
                                WHOLE(0, LONGEST_TOKENS)},
    [SET_LLM_TEMPERATURE] = {"LLM_TEMPERATURE", "llm-temperature", NULL, "NUMBER", "0.7",
                             "how freely tokens are drawn; 0: always the likeliest", NUMBER(0, 100),
                             true},
    [SET_LLM_TOP_P] = {"LLM_TOP_P", "llm-top-p", NULL, "NUMBER", "0.9",
                       "draw from the likeliest tokens that together have this probability; 1: off",
                       NUMBER(0, 1), true},
    [SET_LLM_TOP_K] = {"LLM_TOP_K", "llm-top-k", NULL, "N", "0",
                       "draw from the N likeliest tokens; 0: off", WHOLE(0, 1000000), true},
    [SET_LLM_MIN_P] = {"LLM_MIN_P", "llm-min-p", NULL, "NUMBER", "0",
                       "leave out tokens less likely than this share of the likeliest; 0: off",
                       NUMBER(0, 1), true},
    [SET_LLM_REPETITION_PENALTY] = {"LLM_REPETITION_PENALTY", "llm-repetition-penalty", NULL,
                                    "NUMBER", "1",
                                    "makes tokens that occurred before less likely; 1: off",
                                    NUMBER(0.01, 10), true},
    [SET_LLM_SEED] = {"LLM_SEED",
                      "llm-seed",
                      NULL,
                      "N",
                      "",
                      "the same seed gives the same answers; empty: a fresh one",
                      {.type = VALUE_SEED}},
    [SET_LLM_THREADS] = {"LLM_THREADS", "llm-threads", NULL, "N", "0",
                         "compute threads; 0: as many as quota and affinity allow", WHOLE(0, 256)},
    [SET_LLM_STOP] = {"LLM_STOP", "llm-stop", NULL, "TEXT", "",
                      "texts that end an answer, one a line; empty: none", MAYBE(TEXT_LINES, 4096)},
    [SET_LLM_PROMPT_FILE] = {"LLM_PROMPT_FILE", "llm-prompt-file", NULL, "FILE", "",
                             "prompt with {{device_id}}, {{telemetry}}, …; empty: built in",
                             MAYBE(TEXT_PATH, PATH_BYTES)},
    [SET_DEVICE_NAME] = {"DEVICE_NAME", "device-name", NULL, "NAME", "edge-device",
                         "name of the device: its metrics folder and client id",
                         TEXT(TEXT_NAME, ID_BYTES)},
    [SET_DEVICE_ID] = {"DEVICE_ID", "device-id", NULL, "ID", "00:0f:00:70:91:0a",
                       "id of the device: its topics and its rows of the dataset",
                       TEXT(TEXT_ID, ID_BYTES)},
    [SET_MQTT_BROKER] = {"MQTT_BROKER", "mqtt-broker", NULL, "HOST", "mqtt-broker",
                         "host name or address of the broker", TEXT(TEXT_HOST, HOST_BYTES)},
    [SET_MQTT_PORT] = {"MQTT_PORT", "mqtt-port", NULL, "N", "1883", "port of the broker",
                       WHOLE(1, 65535)},
    [SET_MQTT_USERNAME] = {"MQTT_USERNAME", "mqtt-username", NULL, "NAME", "",
                           "user at the broker; empty: none", MAYBE(TEXT_LINE, MQTT_BYTES)},
    [SET_MQTT_PASSWORD] = {"MQTT_PASSWORD",
                           "mqtt-password",
                           NULL,
                           "TEXT",
                           "",
                           "its password; a flag can be seen by every user of the machine: better "
                           "the variable or the file",
                           {.type = VALUE_TEXT,
                            .kind = TEXT_BYTES,
                            .max_bytes = MQTT_BYTES,
                            .may_be_empty = true,
                            .secret = true}},
    [SET_MQTT_PASSWORD_FILE] = {"MQTT_PASSWORD_FILE", "mqtt-password-file", NULL, "FILE", "",
                                "file that holds the password", MAYBE(TEXT_PATH, PATH_BYTES)},
    [SET_MQTT_CA_FILE] = {"MQTT_CA_FILE", "mqtt-ca-file", NULL, "FILE", "",
                          "certificates that the broker's is checked against; empty: no TLS",
                          MAYBE(TEXT_PATH, PATH_BYTES)},
    [SET_MQTT_CERT_FILE] = {"MQTT_CERT_FILE", "mqtt-cert-file", NULL, "FILE", "",
                            "our own certificate", MAYBE(TEXT_PATH, PATH_BYTES)},
    [SET_MQTT_KEY_FILE] = {"MQTT_KEY_FILE", "mqtt-key-file", NULL, "FILE", "",
                           "the key of our certificate", MAYBE(TEXT_PATH, PATH_BYTES)},
    [SET_METRICS_DIR] = {"METRICS_DIR", "metrics-dir", NULL, "FOLDER", "metrics",
                         "where metrics files go, a folder a device", TEXT(TEXT_PATH, PATH_BYTES)},
    [SET_DATASET_PATH] = {"DATASET_PATH", "dataset-path", NULL, "FILE", "",
                          "telemetry as CSV; empty: the day of real telemetry that we bring",
                          MAYBE(TEXT_PATH, PATH_BYTES)},
    [SET_POWER_IDLE_W] = {"POWER_IDLE_W", "power-idle-w", NULL, "WATTS", "5",
                          "of the energy estimate: the machine at rest", NUMBER(0, 10000)},
    [SET_POWER_MAX_W] = {"POWER_MAX_W", "power-max-w", NULL, "WATTS", "15",
                         "of the energy estimate: all processors busy", NUMBER(0, 10000)},
    [SET_LOG_LEVEL] = {"LOG_LEVEL",
                       "log-level",
                       NULL,
                       "LEVEL",
                       "info",
                       "least serious log line that is written",
                       {.type = VALUE_CHOICE, .choices = "debug info warning error"}},
    [SET_INTERVAL] = {"TELEMETRY_INTERVAL",
                      "telemetry-interval",
                      "interval",
                      "SECONDS",
                      "1-5",
                      "time between two messages of a device, drawn between both ends",
                      {.type = VALUE_INTERVAL, .min = 0.001, .max = 86400}},
    [SET_RATE] = {"TELEMETRY_RATE",
                  "telemetry-rate",
                  "rate",
                  "N",
                  "0",
                  "messages a second of each device; 0: by the interval",
                  {.type = VALUE_FLOAT, .min = 0, .max = 1000, .least = 0.00001}},
    [SET_HF_HOME] = {"HF_HOME", "hf-home", NULL, "FOLDER", "",
                     "Hugging Face cache; empty: ~/.cache/huggingface",
                     MAYBE(TEXT_PATH, PATH_BYTES)},
    [SET_HF_HUB_CACHE] = {"HF_HUB_CACHE", "hf-hub-cache", NULL, "FOLDER", "",
                          "where models of the hub lie; empty: hub/ in HF_HOME",
                          MAYBE(TEXT_PATH, PATH_BYTES)},
    [SET_HF_TOKEN] = {"HF_TOKEN",
                      "hf-token",
                      NULL,
                      "TEXT",
                      "",
                      "access token of the hub; a flag can be seen by every user of the machine: "
                      "better the variable or the file",
                      {.type = VALUE_TEXT,
                       .kind = TEXT_HOST, /* it travels in a header line */
                       .max_bytes = TOKEN_BYTES,
                       .may_be_empty = true,
                       .secret = true}},
    [SET_HF_TOKEN_PATH] = {"HF_TOKEN_PATH", "hf-token-path", NULL, "FILE", "",
                           "file that holds the access token; empty: token in HF_HOME",
                           MAYBE(TEXT_PATH, PATH_BYTES)},
    [SET_HF_ENDPOINT] = {"HF_ENDPOINT", "hf-endpoint", NULL, "URL", "https://huggingface.co",
                         "the hub, or a server that speaks as it does",
                         TEXT(TEXT_HOST, PATH_BYTES)},
    [SET_HF_HUB_OFFLINE] = {"HF_HUB_OFFLINE",
                            "hf-hub-offline",
                            NULL,
                            "BOOL",
                            "false",
                            "never ask the hub: what is not in the cache is not there",
                            {.type = VALUE_BOOL}},
    [SET_HF_HUB_DOWNLOAD_TIMEOUT] = {"HF_HUB_DOWNLOAD_TIMEOUT", "hf-hub-download-timeout", NULL,
                                     "SECONDS", "10", "how long a download may go without a byte",
                                     NUMBER(0.1, 86400)},
    [SET_WATTLE_SYSROOT] = {"WATTLE_SYSROOT", "wattle-sysroot", NULL, "FOLDER", "/",
                            "where sys/ and proc/ are looked for", TEXT(TEXT_PATH, PATH_BYTES)},
    [SET_WATTLE_ISA] = {"WATTLE_ISA",
                        "wattle-isa",
                        NULL,
                        "NAME",
                        "",
                        "highest machine code to use; empty: the best that the processor has",
                        {.type = VALUE_CHOICE, .choices = "c avx2 neon", .may_be_empty = true}},
};
