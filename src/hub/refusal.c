/* SPDX-License-Identifier: MIT */
/* What the hub's refusals mean.
 *
 * Source: the headers X-Error-Code and X-Error-Message as huggingface_hub reads them; without a
 * token the hub answers 401 for repositories that don't exist as well as for private ones. */
#include "hub/parts.h"

#include <stdio.h>

static bool header_is(const struct http_end *end, const char *name, const char *value)
{
    return end->head && span_is(http_header(end->head, end->head->n_hops - 1, name), value);
}

static int gated(const struct pull *p, struct err *e)
{
    const char *name = p->name.repository, *at = buf_cstr(&p->endpoint);
    if (p->token.n)
        return err_set(e, ERR_IO,
                       "'%s' is gated and the account of the access token is not let in yet: "
                       "accept the terms at %s/%s with that account (some authors then answer by "
                       "hand) and check that the token may read gated repositories",
                       name, at, name);
    return err_set(e, ERR_IO,
                   "'%s' is gated: accept the licence on the model page %s/%s, make an access "
                   "token at %s/settings/tokens and set HF_TOKEN to it",
                   name, at, name, at);
}

static int unauthorized(const struct pull *p, const struct http_end *end, struct err *e)
{
    const char *name = p->name.repository, *at = buf_cstr(&p->endpoint);
    if (header_is(end, "X-Error-Code", "GatedRepo"))
        return gated(p, e);
    if (p->token.n && !header_is(end, "X-Error-Code", "RepoNotFound"))
        return err_set(e, ERR_IO,
                       "%s does not take the access token (HTTP 401): check HF_TOKEN, or make a "
                       "new one at %s/settings/tokens",
                       at, at);
    return err_set(e, ERR_IO,
                   "no model '%s' can be seen at %s (HTTP 401): check the spelling; if it is "
                   "private, set HF_TOKEN to a token that may read it",
                   name, at);
}

static int forbidden(const struct pull *p, const struct http_end *end, struct err *e)
{
    const char *name = p->name.repository, *at = buf_cstr(&p->endpoint);
    if (header_is(end, "X-Error-Code", "GatedRepo"))
        return gated(p, e);
    return err_set(e, ERR_IO,
                   "%s refuses access to '%s' (HTTP 403): accept the terms at %s/%s if there are "
                   "any, and set HF_TOKEN to a token that may read this repository",
                   at, name, at, name);
}

static int missing(const struct pull *p, const char *file, const struct http_end *end,
                   struct err *e)
{
    const char *name = p->name.repository, *at = buf_cstr(&p->endpoint);
    if (header_is(end, "X-Error-Code", "RevisionNotFound"))
        return err_set(e, ERR_NOTFOUND,
                       "'%s' has no revision '%s' (HTTP 404): expected a branch, a tag or a "
                       "commit, see %s/%s/tree/main",
                       name, p->name.revision, at, name);
    if (file)
        return err_set(e, ERR_NOTFOUND,
                       "'%s': the hub lists the file '%s' and does not have it (HTTP 404): try "
                       "later, or another revision",
                       name, file);
    return err_set(e, ERR_NOTFOUND,
                   "no model '%s', or no revision '%s' of it, at %s (HTTP 404): check the name%s",
                   name, p->name.revision, at,
                   p->token.n ? " and that the token may read it"
                              : "; a private model looks like this without a token: set HF_TOKEN");
}

static int limited(const struct pull *p, const struct http_end *end, struct err *e)
{
    char when[64] = "some minutes";
    if (end->retry_after_ms)
        snprintf(when, sizeof when, "%llu s",
                 (unsigned long long)((end->retry_after_ms + 999) / 1000));
    return err_set(e, ERR_IO,
                   "%s limits how often it is asked (HTTP 429): wait %s and run this again, it "
                   "goes on where it was%s",
                   buf_cstr(&p->endpoint), when,
                   p->token.n ? "" : "; with HF_TOKEN set the limit is higher");
}

int explain_refusal(const struct pull *p, const char *file, int code, const struct http_end *end,
                    const struct err *why, struct err *e)
{
    if (code != ERR_IO) /* not the answer, but what it is made of */
        return err_set(e, code, "cannot download '%s': %s", p->name.repository, why->text);
    switch (end->status) {
    case 401:
        return unauthorized(p, end, e);
    case 403:
        return forbidden(p, end, e);
    case 404:
        return missing(p, file, end, e);
    case 429:
        return limited(p, end, e);
    default:
        break;
    }
    if (end->status >= 500)
        return err_set(e, ERR_IO,
                       "cannot download '%s': %s: a fault of the hub: try later, what has come is "
                       "kept",
                       p->name.repository, why->text);
    if (end->status >= 300)
        return err_set(e, ERR_IO, "cannot download '%s': %s", p->name.repository, why->text);
    return err_set(e, ERR_IO,
                   "cannot download '%s': %s: check the network, https_proxy and HF_ENDPOINT and "
                   "run this again; what has come is kept",
                   p->name.repository, why->text);
}
