/* SPDX-License-Identifier: MIT */
/* Verdicts in prose. A claim is a word such as "normal" or "anomaly" with what stands before it in
 * its clause: a negation turns it round, a comparison ("above the normal range") turns "normal"
 * into "unusual". A claim is about one value where its sentence names a sensor before it, else
 * about the whole reading. One value that is unusual makes a reading unusual; but an answer that
 * calls the whole both, or the whole normal and then without "but" or "except" a value unusual,
 * contradicts itself. What is unclear is no verdict: a wrong one would be counted as an opinion. */
#include "telemetry/verdict.h"

enum {
    TEXT_MAX = 64 << 10,
    BACK_MAX = 6,    /* words before a claim that a negation may stand at */
    COMPARE_MAX = 4, /* the same of a comparison or of "within" */
};

enum word_kind {
    WORD_OTHER,
    WORD_NORMAL,
    WORD_UNUSUAL,
    WORD_RANGE, /* a claim only together with "within" or a comparison */
    WORD_NEGATION,
    WORD_COMPARES, /* "above" … */
    WORD_WITHIN,
    WORD_SENSOR,
    WORD_TURN,   /* "but", "except": what follows may differ from what was said */
    WORD_CLAUSE, /* begins a clause in which an earlier negation is not meant */
    WORD_IF,     /* what follows in the sentence is no claim */
    WORD_OR,
    WORD_ENGLISH, /* tells that the answer is English */
};

static const struct {
    const char *word; /* a '*' at its end: any ending */
    enum word_kind kind;
} vocabulary[] = {
    {"normal", WORD_NORMAL},
    {"usual", WORD_NORMAL},
    {"typical", WORD_NORMAL},
    {"ordinary", WORD_NORMAL},
    {"unremarkable", WORD_NORMAL},
    {"unusual*", WORD_UNUSUAL},
    {"abnormal*", WORD_UNUSUAL},
    {"anomal*", WORD_UNUSUAL},
    {"irregular*", WORD_UNUSUAL},
    {"atypical*", WORD_UNUSUAL},
    {"outlier*", WORD_UNUSUAL},
    {"suspicious*", WORD_UNUSUAL},
    {"range", WORD_RANGE},
    {"ranges", WORD_RANGE},
    {"limits", WORD_RANGE},
    {"bounds", WORD_RANGE},
    {"not", WORD_NEGATION},
    {"no", WORD_NEGATION},
    {"nothing", WORD_NEGATION},
    {"none", WORD_NEGATION},
    {"never", WORD_NEGATION},
    {"without", WORD_NEGATION},
    {"neither", WORD_NEGATION},
    {"nor", WORD_NEGATION},
    {"non", WORD_NEGATION},
    {"cannot", WORD_NEGATION},
    {"free", WORD_NEGATION},
    {"absence", WORD_NEGATION},
    {"lack", WORD_NEGATION},
    {"above", WORD_COMPARES},
    {"below", WORD_COMPARES},
    {"outside", WORD_COMPARES},
    {"beyond", WORD_COMPARES},
    {"than", WORD_COMPARES},
    {"out", WORD_COMPARES},
    {"exceed*", WORD_COMPARES},
    {"deviat*", WORD_COMPARES},
    {"within", WORD_WITHIN},
    {"in", WORD_WITHIN},
    {"inside", WORD_WITHIN},
    {"temperature*", WORD_SENSOR},
    {"temp", WORD_SENSOR},
    {"humidity", WORD_SENSOR},
    {"co", WORD_SENSOR},
    {"carbon", WORD_SENSOR},
    {"lpg", WORD_SENSOR},
    {"gas*", WORD_SENSOR},
    {"smoke", WORD_SENSOR},
    {"light", WORD_SENSOR},
    {"motion", WORD_SENSOR},
    {"but", WORD_TURN},
    {"except*", WORD_TURN},
    {"however", WORD_TURN},
    {"although", WORD_TURN},
    {"though", WORD_TURN},
    {"apart", WORD_TURN},
    {"aside", WORD_TURN},
    {"and", WORD_CLAUSE},
    {"with", WORD_CLAUSE},
    {"while", WORD_CLAUSE},
    {"if", WORD_IF},
    {"whether", WORD_IF},
    {"or", WORD_OR},
    {"the", WORD_ENGLISH},
    {"are", WORD_ENGLISH},
    {"this", WORD_ENGLISH},
    {"these", WORD_ENGLISH},
    {"reading*", WORD_ENGLISH},
    {"there", WORD_ENGLISH},
    {"it", WORD_ENGLISH},
    {"is", WORD_ENGLISH},
    {"appear*", WORD_ENGLISH},
};

static bool matches(struct span w, const char *pattern)
{
    size_t n = strlen(pattern);
    bool any_end = n && pattern[n - 1] == '*';
    n -= any_end;
    if (any_end ? w.n < n : w.n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = w.p[i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (uint8_t)pattern[i])
            return false;
    }
    return true;
}

static bool ends_with(struct span w, const char *end)
{
    size_t n = strlen(end);
    return w.n > n && span_is(span_sub(w, w.n - n, n), end);
}

static enum word_kind kind_of(struct span w)
{
    if (ends_with(w, "n't") || ends_with(w, "n\xe2\x80\x99t"))
        return WORD_NEGATION;
    for (size_t i = 0; i < sizeof vocabulary / sizeof *vocabulary; i++)
        if (matches(w, vocabulary[i].word))
            return vocabulary[i].kind;
    return WORD_OTHER;
}

/* ---- words ---- */

enum mark { MARK_NONE, MARK_CLAUSE, MARK_SENTENCE, MARK_QUESTION };

/* The next word of s from *at on, and the strongest mark before it. Bytes past ASCII are letters.
 * A point within a number is none. */
static bool next_word(struct span s, size_t *at, struct span *word, enum mark *mark)
{
    *mark = MARK_NONE;
    size_t i = *at;
    for (; i < s.n; i++) {
        uint8_t c = s.p[i];
        enum mark m = MARK_NONE;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80)
            break;
        if (c == '.')
            m = i + 1 < s.n && s.p[i + 1] >= '0' && s.p[i + 1] <= '9' ? MARK_NONE : MARK_SENTENCE;
        else if (c == '!' || c == '\n')
            m = MARK_SENTENCE;
        else if (c == '?')
            m = MARK_QUESTION;
        else if (c == ',' || c == ';' || c == ':' || c == '(' || c == ')')
            m = MARK_CLAUSE;
        *mark = m > *mark ? m : *mark;
    }
    size_t begin = i;
    for (; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c >= 0x80 || c == '\''))
            break;
    }
    *word = span_sub(s, begin, i - begin);
    *at = i;
    return i > begin;
}

/* ---- claims ---- */

struct counts {
    unsigned all_normal, all_unusual;   /* of the whole reading */
    unsigned part_normal, part_unusual; /* of one value */
    unsigned part_after_turn;           /* of part_unusual: those after "but" or "except" */
    bool english;
    size_t words;
};

/* What came before a word. */
struct context {
    enum word_kind back[BACK_MAX + 1]; /* kinds of the clause's last words, the latest first */
    size_t n;
    bool sensor, no_claims; /* so far in the sentence */
    bool turn;              /* so far in the answer */
    struct counts sentence; /* claims that count if it turns out to be no question */
};

static bool seen(const struct context *c, enum word_kind kind, size_t within)
{
    for (size_t i = 0; i < c->n && i < within; i++)
        if (c->back[i] == kind)
            return true;
    return false;
}

static bool negated(const struct context *c)
{
    bool odd = false;
    for (size_t i = 0; i < c->n && i < BACK_MAX; i++)
        odd ^= c->back[i] == WORD_NEGATION;
    return odd;
}

static void claim(struct context *c, bool unusual)
{
    struct counts *n = &c->sentence;
    if (c->sensor && unusual) {
        n->part_unusual++;
        n->part_after_turn += c->turn;
    } else if (c->sensor) {
        n->part_normal++;
    } else if (unusual) {
        n->all_unusual++;
    } else {
        n->all_normal++;
    }
}

static void take_claim(struct context *c, enum word_kind kind)
{
    bool compares = seen(c, WORD_COMPARES, COMPARE_MAX), within = seen(c, WORD_WITHIN, COMPARE_MAX);
    if (c->no_claims || (kind == WORD_RANGE && !compares && !within))
        return;
    bool unusual = kind == WORD_UNUSUAL || compares;
    claim(c, unusual != negated(c));
}

static void add(struct counts *a, const struct counts *b)
{
    a->all_normal += b->all_normal;
    a->all_unusual += b->all_unusual;
    a->part_normal += b->part_normal;
    a->part_unusual += b->part_unusual;
    a->part_after_turn += b->part_after_turn;
}

static void end_sentence(struct context *c, struct counts *all, bool question)
{
    if (!question)
        add(all, &c->sentence);
    *c = (struct context){.turn = c->turn};
}

static void push(struct context *c, enum word_kind kind)
{
    memmove(c->back + 1, c->back, BACK_MAX * sizeof *c->back);
    c->back[0] = kind;
    c->n += c->n <= BACK_MAX;
}

/* "normal or unusual" repeats the question: neither is a claim. */
static bool is_alternative(struct span s, size_t at, enum word_kind kind)
{
    struct span word;
    enum mark mark;
    if (!next_word(s, &at, &word, &mark) || mark != MARK_NONE || kind_of(word) != WORD_OR ||
        !next_word(s, &at, &word, &mark))
        return false;
    enum word_kind other = kind_of(word);
    return (kind == WORD_NORMAL && other == WORD_UNUSUAL) ||
           (kind == WORD_UNUSUAL && other == WORD_NORMAL);
}

/* "the normal range is …" names a range and says nothing of the reading. */
static bool names_range(const struct context *c, struct span s, size_t at)
{
    struct span word;
    enum mark mark;
    return next_word(s, &at, &word, &mark) && kind_of(word) == WORD_RANGE &&
           !seen(c, WORD_WITHIN, COMPARE_MAX) && !seen(c, WORD_COMPARES, COMPARE_MAX);
}

static void read_prose(struct span s, struct counts *all)
{
    struct context c = {.n = 0};
    struct span word;
    enum mark mark;
    size_t at = 0;
    bool skip_next = false;
    while (next_word(s, &at, &word, &mark)) {
        enum word_kind kind = kind_of(word);
        if (mark >= MARK_SENTENCE)
            end_sentence(&c, all, mark == MARK_QUESTION);
        else if (mark == MARK_CLAUSE)
            c.n = 0;
        if (c.n > 0 && c.back[0] == WORD_SENSOR && matches(word, "no"))
            kind = WORD_OTHER; /* "motion no": its value, as the prompt has it */
        all->words++;
        all->english |= kind == WORD_ENGLISH;
        if (kind == WORD_TURN)
            c.turn = true;
        if (kind == WORD_TURN || kind == WORD_CLAUSE || matches(word, "nor"))
            c.n = 0; /* "neither … nor" is one negation */
        c.sensor |= kind == WORD_SENSOR;
        c.no_claims |= kind == WORD_IF;
        if (kind == WORD_NORMAL || kind == WORD_UNUSUAL || kind == WORD_RANGE) {
            bool alternative = is_alternative(s, at, kind);
            if (!alternative && !skip_next && !(kind == WORD_NORMAL && names_range(&c, s, at)))
                take_claim(&c, kind);
            skip_next = alternative;
        }
        push(&c, kind);
    }
    end_sentence(&c, all, mark == MARK_QUESTION);
}

static enum verdict weigh(const struct counts *n)
{
    if (n->all_normal && n->all_unusual)
        return VERDICT_NONE;
    if (n->all_unusual)
        return VERDICT_UNUSUAL;
    if (n->part_unusual)
        return n->all_normal && !n->part_after_turn ? VERDICT_NONE : VERDICT_UNUSUAL;
    return n->all_normal || n->part_normal ? VERDICT_NORMAL : VERDICT_NONE;
}

/* ---- JSON ---- */

static size_t skip_blanks(struct span s, size_t i)
{
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r'))
        i++;
    return i;
}

/* The value of the next "verdict" member from *at on, also in JSON that is not whole. */
static bool next_member(struct span s, size_t *at, struct span *value)
{
    static const char key[] = "\"verdict\"";
    for (size_t i = *at; i + sizeof key - 1 <= s.n; i++) {
        if (!span_is(span_sub(s, i, sizeof key - 1), key))
            continue;
        size_t v = skip_blanks(s, i + sizeof key - 1);
        if (v >= s.n || s.p[v] != ':')
            continue;
        v = skip_blanks(s, v + 1);
        if (v >= s.n || s.p[v] != '"')
            continue;
        struct span rest = span_sub(s, v + 1, s.n);
        const uint8_t *end = span_find(rest, '"');
        if (!end)
            continue;
        *value = span_sub(rest, 0, (size_t)(end - rest.p));
        *at = v + 1 + value->n + 1;
        return true;
    }
    return false;
}

static bool read_json(struct span s, enum verdict *out)
{
    struct span value;
    size_t at = 0;
    bool found = false;
    while (next_member(s, &at, &value)) {
        enum verdict v =
            matches(value, "normal") ? VERDICT_NORMAL
            : matches(value, "anomaly") || matches(value, "suspect") || matches(value, "unusual")
                ? VERDICT_UNUSUAL
                : VERDICT_NONE;
        *out = !found || *out == v ? v : VERDICT_NONE;
        if (found && *out == VERDICT_NONE)
            return true;
        found = true;
    }
    return found;
}

enum verdict verdict_read(struct span answer)
{
    enum verdict v = VERDICT_NONE;
    struct counts n = {.words = 0};
    struct span s = span_sub(answer, 0, TEXT_MAX);
    if (read_json(s, &v))
        return v;
    read_prose(s, &n);
    /* "normal" is a word of many languages */
    return n.english || n.words <= 3 ? weigh(&n) : VERDICT_NONE;
}

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = {
        [VERDICT_NONE] = "none", [VERDICT_NORMAL] = "normal", [VERDICT_UNUSUAL] = "unusual"};
    return names[v];
}
