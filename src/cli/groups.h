/* SPDX-License-Identifier: MIT */
/* Settings and options that several commands take, for the lists of their specs. Private to cli/.
 */
#ifndef WATTLE_CLI_GROUPS_H
#define WATTLE_CLI_GROUPS_H

#include "cli/model_input.h"

/* A connection to a broker. */
#define MQTT_SETTINGS                                                                             \
    SET_MQTT_BROKER, SET_MQTT_PORT, SET_MQTT_USERNAME, SET_MQTT_PASSWORD, SET_MQTT_PASSWORD_FILE, \
        SET_MQTT_CA_FILE, SET_MQTT_CERT_FILE, SET_MQTT_KEY_FILE, SET_MQTT_TLS, SET_MQTT_VERSION,  \
        SET_MQTT_KEEPALIVE, SET_MQTT_TOPIC_PREFIX

/* What waits for a broker that is away. */
#define QUEUE_SETTINGS SET_MQTT_QUEUE_DIR, SET_MQTT_QUEUE_MAX

/* In which form a model's weights are computed with. */
#define PACK_SETTINGS SET_LLM_QUANT, SET_LLM_PACKED_DIR

/* How a telemetry message is analysed. */
#define INFERENCE_SETTINGS                                                                         \
    SET_LLM_MAX_LENGTH, SET_LLM_MAX_NEW_TOKENS, SET_LLM_TEMPERATURE, SET_LLM_TOP_P, SET_LLM_TOP_K, \
        SET_LLM_MIN_P, SET_LLM_REPETITION_PENALTY, SET_LLM_SEED, SET_LLM_THREADS, SET_LLM_STOP,    \
        PACK_SETTINGS, SET_LLM_PROMPT_FILE, SET_LLM_PROMPT_SYSTEM, SET_LLM_PROMPT_USER,            \
        SET_POWER_PROFILE, SET_POWER_IDLE_W, SET_POWER_MAX_W

/* When a reading is an alarm. */
#define ALARM_SETTINGS                                                                      \
    SET_ALARM_TEMP_MIN, SET_ALARM_TEMP_MAX, SET_ALARM_HUMIDITY_MIN, SET_ALARM_HUMIDITY_MAX, \
        SET_ALARM_CO_MAX, SET_ALARM_SMOKE_MAX, SET_ALARM_LPG_MAX

/* The live page. */
#define DASHBOARD_SETTINGS \
    SET_DASHBOARD_ADDRESS, SET_DASHBOARD_PORT, SET_DASHBOARD_TOKEN, SET_DASHBOARD_TOKEN_FILE

/* What every device of ours takes, alone or in a fleet. */
#define DEVICE_SETTINGS                                                                         \
    SET_DATASET_PATH, SET_INTERVAL, SET_RATE, SET_ENABLE_LLM, MODEL_SETTINGS, SET_LLM_ENDPOINT, \
        SET_LLM_API_KEY, SET_LLM_API_KEY_FILE, SET_LLM_INFERENCE_INTERVAL, INFERENCE_SETTINGS,  \
        ALARM_SETTINGS, SET_METRICS_DIR, MQTT_SETTINGS, QUEUE_SETTINGS, SET_HEALTH_FILE,        \
        SET_WATTLE_SYSROOT, SET_WATTLE_ISA, SET_LOG_LEVEL

/* ---- options that several commands have ---- */

/* clang-format off */
#define DURATION_OPTION                                                                            \
    {.name = "duration", .type = OPTION_DURATION, .value = "TIME", .min = 0.001, .max = 31536000,  \
     .help = "end after this long: 30m, 90s, 2h"}

/* most: devices at the most */
#define DEVICES_OPTIONS(most)                                                                      \
    {.name = "devices", .type = OPTION_INT, .value = "N", .min = 1, .max = (most),                 \
     .fallback = "1", .help = "how many devices"},                                                 \
    {.name = "llm-devices", .type = OPTION_TEXT, .value = "LIST",                                  \
     .help = "which of them have the language model: 1,3,5 (default: all)"}
/* clang-format on */

#endif
