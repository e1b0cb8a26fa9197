/* SPDX-License-Identifier: MIT */
#include "cli/hub_setup.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t interrupted;
static struct sigaction before_int, before_term;

static void on_signal(int number)
{
    interrupted = number;
}

void hub_setup(struct hub_options *o, const struct settings *s)
{
    struct sigaction action = {.sa_handler = on_signal};
    const char *ca = getenv("SSL_CERT_FILE"); /* as curl, Python and OpenSSL name it */
    *o = (struct hub_options){
        .places = {.hub_cache = settings_text(s, SET_HF_HUB_CACHE),
                   .hf_home = settings_text(s, SET_HF_HOME),
                   .xdg_cache_home = getenv("XDG_CACHE_HOME"),
                   .home = getenv("HOME")},
        .endpoint = settings_text(s, SET_HF_ENDPOINT),
        .token = settings_text(s, SET_HF_TOKEN),
        .token_path = settings_text(s, SET_HF_TOKEN_PATH),
        .ca_file = ca && ca[0] ? ca : getenv("CURL_CA_BUNDLE"),
        .offline = settings_bool(s, SET_HF_HUB_OFFLINE),
        .stall_ms = (uint64_t)(settings_float(s, SET_HF_HUB_DOWNLOAD_TIMEOUT) * 1000),
        .progress = stderr,
        .interrupted = &interrupted,
    };
    interrupted = 0;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &before_int);
    sigaction(SIGTERM, &action, &before_term);
}

void hub_setup_end(void)
{
    sigaction(SIGINT, &before_int, NULL);
    sigaction(SIGTERM, &before_term, NULL);
    const struct sigaction *before = interrupted == SIGTERM ? &before_term : &before_int;
    /* a command with a handler of its own has to know as well that it was told to end */
    if (interrupted && before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        raise(interrupted);
}
