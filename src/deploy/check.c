/* SPDX-License-Identifier: MIT */
/* Owns what the free words among the options may hold: what an engine, a cluster or systemd would
 * refuse when the file is long written is refused here. Sources: the grammar of image references
 * (distribution/reference), RFC 1123, systemd.service(5). */
#include "deploy/check.h"

#include "deploy/names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>

enum { IMAGE_BYTES_MAX = 255, TAG_BYTES_MAX = 128, DIGEST_HEX_MIN = 32, DNS_NAME_MAX = 253 };

/* ---- images ---- */

static bool is_lower(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter(uint8_t c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* Of a path: a-z and 0-9 with one '.', one or two '_' or any number of '-' between. */
static bool is_component(struct span s)
{
    for (size_t i = 0; i < s.n;) {
        size_t from = i;
        while (i < s.n && is_lower(s.p[i]))
            i++;
        if (i == from)
            return false;
        if (i == s.n)
            return true;
        uint8_t c = s.p[i];
        for (from = i; i < s.n && s.p[i] == c;)
            i++;
        if (c == '-' || (c == '.' && i - from == 1) || (c == '_' && i - from <= 2))
            continue;
        return false;
    }
    return false;
}

/* Docker takes the first of several parts for a host if it looks like one. */
static bool is_like_host(struct span s)
{
    if (span_is(s, "localhost"))
        return true;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '.' || s.p[i] == ':' || s.p[i] == '[' || (s.p[i] >= 'A' && s.p[i] <= 'Z'))
            return true;
    return false;
}

static bool is_port(struct span s)
{
    uint64_t port = 0;
    return num_parse_u64(s, &port) && port > 0 && port < 65536;
}

/* "[fe80::1]" and what follows it. */
static bool is_bracketed(struct span s, struct span *rest)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr a;
    const uint8_t *end = span_find(s, ']');
    size_t n = end ? (size_t)(end - s.p) - 1 : 0;
    if (!end || n >= sizeof text)
        return false;
    memcpy(text, s.p + 1, n);
    text[n] = '\0';
    *rest = span_sub(s, n + 2, s.n);
    return inet_pton(AF_INET6, text, &a) == 1;
}

static bool is_host(struct span s)
{
    struct span rest;
    if (s.n && s.p[0] == '[')
        return is_bracketed(s, &rest) &&
               (rest.n == 0 || (rest.p[0] == ':' && is_port(span_sub(rest, 1, rest.n))));
    const uint8_t *colon = span_find(s, ':');
    size_t n = colon ? (size_t)(colon - s.p) : s.n;
    if (colon && !is_port(span_sub(s, n + 1, s.n)))
        return false;
    for (size_t i = 0; i < n; i++) {
        bool edge = i == 0 || i + 1 == n || s.p[i - 1] == '.' || s.p[i + 1] == '.';
        if (!is_letter(s.p[i]) && (edge || (s.p[i] != '-' && s.p[i] != '.')))
            return false;
    }
    return n > 0;
}

static bool is_tag(struct span s)
{
    if (s.n == 0 || s.n > TAG_BYTES_MAX || s.p[0] == '.' || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_letter(s.p[i]) && !strchr("_.-", s.p[i]))
            return false;
    return true;
}

/* "sha256:" and hexadecimal digits. */
static bool is_digest(struct span s)
{
    const uint8_t *colon = span_find(s, ':');
    size_t n = colon ? (size_t)(colon - s.p) : 0;
    if (n == 0 || !isalpha(s.p[0]) || s.n - n - 1 < DIGEST_HEX_MIN)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool good =
            i < n ? is_letter(s.p[i]) || strchr("+._-", s.p[i]) : i == n || isxdigit(s.p[i]);
        if (!good)
            return false;
    }
    return true;
}

/* Takes what stands behind the last of that sign off s; the sign behind the last '/' counts. */
static bool take_tail(struct span *s, uint8_t sign, struct span *tail)
{
    for (size_t i = s->n; i > 0 && s->p[i - 1] != '/'; i--) {
        if (s->p[i - 1] != sign)
            continue;
        *tail = span_sub(*s, i, s->n);
        s->n = i - 1;
        return true;
    }
    return false;
}

bool is_image_name(const char *name)
{
    struct span s = span_str(name), tail;
    const uint8_t *at = span_find(s, '@');
    if (at) {
        tail = span_sub(s, (size_t)(at - s.p) + 1, s.n);
        s.n = (size_t)(at - s.p);
        if (!is_digest(tail))
            return false;
    }
    if (take_tail(&s, ':', &tail) && !is_tag(tail))
        return false;
    if (s.n > IMAGE_BYTES_MAX)
        return false;
    for (bool first = true;; first = false) {
        const uint8_t *slash = span_find(s, '/');
        struct span part = span_sub(s, 0, slash ? (size_t)(slash - s.p) : s.n);
        bool host = first && slash && is_like_host(part);
        if (!(host ? is_host(part) : is_component(part)))
            return false;
        if (!slash)
            return true;
        s = span_sub(s, part.n + 1, s.n);
    }
}

/* ---- the rest ---- */

bool is_dns_name(const char *name)
{
    char label[64];
    if (strlen(name) > DNS_NAME_MAX)
        return false;
    for (;; name++) {
        size_t n = strcspn(name, ".");
        if (n >= sizeof label)
            return false;
        memcpy(label, name, n);
        label[n] = '\0';
        name += n;
        if (!is_dns_label(label))
            return false;
        if (!*name)
            return true;
    }
}

static bool is_address(const char *text)
{
    struct in6_addr a;
    return inet_pton(AF_INET, text, &a) == 1 || inet_pton(AF_INET6, text, &a) == 1;
}

/* One that every file format here can hold and every terminal can show. */
static bool is_path(const char *path)
{
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return path[0] && path[0] != '-' && strlen(path) < PATH_MAX && utf8_valid(span_str(path));
}

static bool is_output(const char *path)
{
    return strcmp(path, "-") == 0 || is_path(path);
}

static bool is_absolute(const char *path)
{
    return path[0] == '/' && is_path(path) && !str_ends_with(path, "/");
}

int check_options(const struct deploy_options *o, struct err *e)
{
    static const char image[] = "the name of an image, as registry.example:5000/name:tag";
    static const char path[] = "a path of UTF-8 without control characters that does not begin "
                               "with '-'";
    const struct {
        const char *option, *text; /* NULL: not given */
        bool (*is_right)(const char *text);
        const char *expected;
    } words[] = {
        {"image", o->image, is_image_name, image},
        {"broker-image", o->broker_image, is_image_name, image},
        {"output", o->output, is_output, path},
        {"build", o->build, is_path, path},
        {"program", o->program, is_absolute, "the absolute path of a program"},
        {"publish", o->publish, is_address, "an address as 127.0.0.1 or 0.0.0.0"},
        {"namespace", o->target == DEPLOY_KUBERNETES && !o->kube_namespace ? "" : o->kube_namespace,
         is_dns_label, "1 to 63 of a-z, 0-9 and '-', none of it at an end"},
        {"storage-class", o->storage_class, is_dns_name,
         "a name of a-z, 0-9, '-' and '.', none of these two at an end"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].text && !words[i].is_right(words[i].text))
            return err_set(e, ERR_USAGE, "--%s '%.200s': expected %s", words[i].option,
                           words[i].text, words[i].expected);
    return 0;
}
