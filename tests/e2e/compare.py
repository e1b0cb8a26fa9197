# SPDX-License-Identifier: MIT
"""wattle compare and wattle report on saved folders: what they say, in each format; files of the seed's fields only; hostile names and
bytes. The folders answers-24 and answers-60 were made by `wattle run`, whose answers had 24 and 60 tokens at most."""
import csv
import html.parser
import io
import json
import math
import os
import shutil
import subprocess
import sys

import lab
from lab import check

CASES = os.path.join(lab.SOURCE, "tests", "cases", "report")
FORMATS = ["text", "markdown", "json", "csv", "html"]
HOSTILE = "<script>alert(1)</script>&\"'|*x*\x1b[31m"
VOID = {"meta"}


def wattle(*args, code=0, cwd=None):
    r = subprocess.run([lab.WATTLE, *args], env=lab.environment(), cwd=cwd, capture_output=True, timeout=lab.PATIENCE)
    check(r.returncode == code, f"{args}: {r.returncode} {r.stderr.decode()[-1500:]}")
    return r.stdout.decode() if code == 0 else r.stderr.decode()


def case(name):
    return os.path.join(CASES, name)


def constant(name):
    raise AssertionError(f"{name} in JSON")


class Page(html.parser.HTMLParser):
    """Checks nesting, and that nothing of the page asks for anything from outside."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.tags, self.text = [], [], {}, []
        self.feed(text)
        self.close()
        check(not self.open, f"left open: {self.open}")
        check(len(self.ids) == len(set(self.ids)), "an id stands twice")

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for key, value in attrs:
            check(key not in ("src", "href", "srcset", "action", "data") and not key.startswith("on"), f"{tag} {key}={value}")
            check("url(" not in (value or "") and "nan" not in (value or "").lower().split(), f"{tag} {key}={value}")
            if key == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        check(self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}")
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)

    def words(self):
        return " ".join(self.text)


def check_page(text):
    page = Page(text)
    check("script" not in page.tags and "img" not in page.tags and "link" not in page.tags and "iframe" not in page.tags, f"{page.tags}")
    check("default-src 'none'" in text and "prefers-color-scheme:dark" in text, "policy and colours")
    check(page.tags.get("svg", 0) >= 3 and page.tags["title"] > page.tags["desc"] >= 3, f"{page.tags}")
    check(page.tags.get("table", 0) >= 2, "the numbers beneath")
    return page


def all_formats(folder):
    dirs = [case("answers-24"), case("answers-60")]
    said = {f: wattle("compare", *dirs, "--format", f) for f in FORMATS}
    check(said["text"].splitlines()[0] == "Take answers-24: best in speed, energy and memory", said["text"][:300])
    check(all(len(line) <= 125 for line in said["text"].splitlines()), "lines fit a terminal")
    for f in FORMATS:
        check(not any(w in said[f].replace("|", " ").replace(",", " ").split() for w in ("nan", "-nan", "inf", "NaN")), f"{f} has a NaN")
        check("answers-60" in said[f], f)
    d = json.loads(said["json"], parse_constant=constant)
    check(d["answer"] == said["text"].splitlines()[0].rstrip("."), f"the answer is the same in each: {d['answer']}")
    check([m["name"] for m in d["models"]] == ["answers-24", "answers-60"] and d["baseline"] == "answers-24", "models")
    check(d["best"]["speed"]["best"] == "answers-24" and d["best"]["quality"] is None, f"{d['best']}")
    for m, folder_name in zip(d["models"], dirs):
        saved = json.load(open(os.path.join(folder_name, os.listdir(folder_name)[0]), encoding="utf-8"))
        time = m["metrics"]["inference_time_ms"]
        check(time["n"] == saved["summary"]["total_inferences"], "n")
        for ours, theirs in (("mean", "avg"), ("p95", "p95"), ("stddev", "stddev"), ("median", "p50")):
            check(abs(time[ours] - saved["summary"]["inference_time_ms"][theirs]) < 0.02, f"{ours}: {time}")
        low, high = time["mean_ci95"]
        check(low < time["mean"] < high, f"{time}")
        check(abs(m["energy_total_j"] - saved["summary"]["energy_consumption_mj"]["total"] / 1000) < 0.01, "total")
    versus = d["models"][1]["metrics"]["inference_time_ms"]["versus_baseline"]
    check(versus["paired"] is False and versus["effect_name"] == "Cliff's delta" and versus["told"], f"{versus}")
    rows = list(csv.DictReader(io.StringIO(said["csv"], newline="")))
    check(len({(r["model"], r["metric"]) for r in rows}) == len(rows) and len(rows) > 15, "one row a model and metric")
    row = next(r for r in rows if (r["model"], r["metric"]) == ("answers-60", "inference_time_ms"))
    check(math.isclose(float(row["difference"]), versus["mean"], abs_tol=1e-5) and row["told"] == "true", f"{row}")
    page = check_page(said["html"])
    check(d["answer"] in page.words(), "the answer is in the page")
    check(said["html"] == wattle("compare", *dirs, "--format", "html"), "the same data, the same bytes")


def files_are_kept(folder):
    out, page = os.path.join(folder, "c.json"), os.path.join(folder, "c.html")
    dirs = [case("answers-24"), case("seed")]
    check(wattle("compare", *dirs, "--output", out, "--html", page) == "", "nothing on the standard output")
    json.load(open(out, encoding="utf-8"))
    check_page(open(page, encoding="utf-8").read())
    open(out, "w").write("mine")
    check("exists, --force" in wattle("compare", *dirs, "--output", out, code=2) and open(out).read() == "mine", "left alone")
    wattle("compare", *dirs, "--output", out, "--force")
    check("warnings" in json.load(open(out, encoding="utf-8")), "replaced")


def of_the_seed(folder):
    """Its fields only, and its own script on the same folders."""
    d = json.loads(wattle("compare", case("seed"), case("answers-24"), "--json"))
    m = d["models"][0]["metrics"]
    check(m["inference_time_ms"]["n"] == 10 and m["tokens_per_second"]["n"] == 0 and m["tokens_per_second"]["mean"] is None, f"{m}")
    check(any("only 10 inferences" in w for w in d["warnings"]) and any("energy" in w for w in d["warnings"]), f"{d['warnings']}")
    for name in ("seed", "answers-24", "answers-60"):
        files = os.listdir(case(name))
        summary = json.load(open(os.path.join(case(name), files[0])))["summary"]
        "{:.2f} {:.2f} {:.2f} {:.2f}".format(summary["inference_time_ms"]["avg"], summary["memory_usage_mb"]["avg"],
                                             summary["cpu_usage_percent"]["avg"], summary["energy_consumption_mj"]["total"])
    # the board's watts instead of the file's
    d = json.loads(wattle("compare", case("seed"), "--power-profile", "pi5", "--json"))
    saved = json.load(open(os.path.join(case("seed"), os.listdir(case("seed"))[0])))["detailed_metrics"]
    expected = sum((d["idle_w"] + (d["max_w"] - d["idle_w"]) * s["cpu_percent_avg"] / 100) * s["inference_time_ms"] / 1000 for s in saved)
    check("Pi 5" in d["power_profile"] and abs(d["models"][0]["energy_total_j"] - expected) < 1e-6, f"{d} {expected}")
    check("POWER_PROFILE" in wattle("compare", case("seed"), "--power-profile", "abacus", code=2), "an unknown board")


def hostile(folder):
    for i, name in enumerate([HOSTILE.replace("/", "∕"), 'edge "one"\\\t01', "=cmd|'x'!A1"]):
        d = os.path.join(folder, name)
        os.mkdir(d)
        saved = json.load(open(os.path.join(case("seed"), os.listdir(case("seed"))[0])))
        saved["summary"]["device_id"] = saved["summary"]["model_name"] = HOSTILE
        for s in saved["detailed_metrics"]:
            s["model_name"] = s["device_id"] = HOSTILE
            s["inference_time_ms"] *= i + 1
        json.dump(saved, open(os.path.join(d, "m.json"), "w"))
    open(os.path.join(folder, name, "bad.json"), "w").write('{"summary":{},"detailed_metrics":[{"inference_time_ms":1e999}]}')
    open(os.path.join(folder, name, "list.json"), "w").write("[" * 100000)
    dirs = [os.path.join(folder, d) for d in sorted(os.listdir(folder))]
    for f in FORMATS:
        said = [wattle("compare", *dirs, "--format", f), wattle("report", folder, "--format", f)]
        for text in said:
            check("\x1b" not in text, f"an escape in {f}")
            if f == "html":
                check_page(text)
            if f in ("html", "markdown"):
                check("<script" not in text, f)
            if f == "json":
                json.loads(text, parse_constant=constant)
            if f == "csv":
                rows = list(csv.reader(io.StringIO(text, newline="")))
                check(len({len(r) for r in rows}) == 1 and not any(c[:1] in "=@+" for r in rows for c in r if c), "fields")


def refused(folder):
    check("nothing to compare" in wattle("compare", code=2), "no folder")
    check("no metrics file in" in wattle("compare", folder, code=1), "an empty folder")
    check("absent" in wattle("compare", os.path.join(folder, "absent"), code=1), "no such folder")
    check("'pdf', expected text" in wattle("compare", case("seed"), "--format", "pdf", code=2), "format")
    check("--reference" in wattle("compare", case("seed"), "--reference", "x", code=2), "reference")
    d = json.loads(wattle("compare", case("seed"), case("answers-24"), "--reference", "answers-24", "--json"))
    check(d["baseline"] == "answers-24", "the reference is what others are compared with")


def saved_in_turns(folder):
    """Folders as `compare --models` saves them: turns by the stamps, agreement by the requests."""
    def write(name, size, start, step, verdicts, strip=()):
        where = os.path.join(folder, name)
        os.makedirs(where, exist_ok=True)
        rows = [{"timestamp": f"2025-10-07T10:30:{start + step * i:09.6f}+00:00", "request": 1000 + i, "verdict": v, "inference_time_ms": 100 + i,
                 "energy_consumed_mj": 5, "cpu_percent_avg": 50, "memory_used_mb": 1, "device_id": "d", "model_name": name}
                for i, v in enumerate(verdicts)]
        rows = [{k: v for k, v in r.items() if k not in strip} for r in rows]
        saved = {"summary": {"device_id": "d", "model_name": name, "total_inferences": len(rows)}, "detailed_metrics": rows,
                 "model_loading": {"file_bytes": size}}
        json.dump(saved, open(os.path.join(where, "m.json"), "w"))
        return where

    def compared(*dirs):
        return json.loads(wattle("compare", *dirs, "--json"), parse_constant=constant)

    said, other = ["normal", "unusual"] * 6, ["normal", "unusual", "none", "normal"] * 3
    small, large = write("small", 10, 0, 2, other), write("large", 20, 1, 2, said)
    d = compared(small, large)
    check(d["alternated"] is True and not any("in turns" in w for w in d["warnings"]), f"{d['warnings']}")
    check((d["reference"], d["no_agreement"], d["quality_metric"]) == ("large", None, "agreement"), f"{d['reference']} {d['no_agreement']}")
    of = d["models"][0]["metrics"]
    check((of["agreement"]["n"], of["agreement"]["mean"]) == (12, 0.5) and of["valid_verdict"]["mean"] == 0.75, f"{of['agreement']}")
    check(compared(small, large, "--reference", "small")["models"][1]["metrics"]["agreement"]["n"] == 9, "where the reference has one")
    apart = compared(small, write("later", 20, 24, 2, said))
    check(apart["alternated"] is False and any("did not run in turns" in w for w in apart["warnings"]), "the same numbers, two runs")
    check(apart["quality_metric"] == "agreement", "which does not need turns")
    for strip, part in ((["verdict"], "'bare' have no verdicts"), (["request"], "no request in common")):
        d = compared(small, write("bare", 20, 1, 2, said, strip))
        check(part in (d["no_agreement"] or "") and any(part in v for v in d["verdicts"]), f"{d['no_agreement']} {d['verdicts']}")
        check(d["reference"] is None and d["models"][0]["metrics"]["agreement"]["n"] == 0, "no reference")
    check(compared(case("seed"), case("answers-24"))["no_agreement"] is None, "of plain runs it is said that quality is not known")


def one_run(folder):
    runs = os.path.join(folder, "metrics")
    for name in ("answers-24", "answers-60", "seed"):
        shutil.copytree(case(name), os.path.join(runs, name))
    page = check_page(wattle("report", runs, "--format", "html"))
    check("82 inferences" in page.words(), page.words()[:300])
    rows = list(csv.DictReader(io.StringIO(wattle("report", runs, "--format", "csv"), newline="")))
    check(sum(int(r["total_inferences"]) for r in rows) == 82, f"{rows}")
    check(wattle("report", runs).startswith("device "), "text stays a table")
    check(len(json.loads(wattle("report", runs, "--json"))["files"]) == 3, "json")
    check(wattle("report", runs, "--format", "markdown").startswith("# One run\n"), "markdown")


if __name__ == "__main__":
    tests = [all_formats, files_are_kept, of_the_seed, hostile, refused, saved_in_turns, one_run]
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
