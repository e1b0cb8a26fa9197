/* SPDX-License-Identifier: MIT */
/* page: head, style and foot of an HTML report.
 *
 * Owns: colours (light and dark; the eight of Okabe and Ito 2008, which people with colour
 * blindness can tell apart, darker or lighter where the contrast needs it), widths, print. */
#include "report/page.h"

#include "report/doc.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1a1c20;--dim:#5c626c;--line:#d9dce1;"
    "--soft:#f5f6f8;--accent:#0b5cad;--warn:#8a4b00;--warnbg:#fff6e6;"
    "--s0:#0072b2;--s1:#c04d00;--s2:#007f5f;--s3:#a03f78;--s4:#8a6d00;--s5:#2c8fc9;--s6:#555c66;"
    "--s7:#7a4fd0}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14161a;--fg:#e8eaed;--dim:#a2a9b4;"
    "--line:#353a42;--soft:#1d2026;--accent:#7fb8f0;--warn:#ffc46b;--warnbg:#2b2210;"
    "--s0:#56b4e9;--s1:#ff9440;--s2:#3ecfa3;--s3:#e58fc0;--s4:#f0d24a;--s5:#8fd0f5;--s6:#b5bcc6;"
    "--s7:#b79bff}}\n"
    "@media print{:root{--bg:#fff;--fg:#000;--dim:#444;--line:#bbb;--soft:#fff;--accent:#000;"
    "--warn:#000;--warnbg:#fff;--s0:#0072b2;--s1:#c04d00;--s2:#007f5f;--s3:#a03f78;--s4:#8a6d00;"
    "--s5:#2c8fc9;--s6:#555c66;--s7:#7a4fd0}figure,table,li{break-inside:avoid}.scroll{overflow:"
    "visible!important}}\n"
    "*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}\n"
    "body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,"
    "\"Segoe UI\",\"DejaVu Sans\",sans-serif}\n"
    "main{max-width:66rem;margin:0 auto;padding:1.5rem 1.25rem 3rem}\n"
    "h1{font-size:.95rem;font-weight:600;color:var(--dim);margin:0 0 .75rem}\n"
    "h2{font-size:1.2rem;margin:2.25rem 0 .6rem;line-height:1.3}\n"
    ".lead{font-size:clamp(1.5rem,4.2vw,2.3rem);line-height:1.2;font-weight:700;margin:0 0 1rem;"
    "letter-spacing:-.01em;overflow-wrap:anywhere;text-wrap:balance}\n"
    "p{margin:.4rem 0 .8rem;max-width:46rem}ul{margin:.4rem 0 1rem;padding-left:1.2rem}\n"
    "li{margin:.3rem 0;max-width:50rem;overflow-wrap:anywhere}.points{font-size:1.05rem}\n"
    ".warnings{background:var(--warnbg);border-left:4px solid var(--warn);padding:.7rem 1rem .7rem "
    "2rem;border-radius:4px}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem;"
    "margin:1rem 0 1.25rem}\n"
    ".card{border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem;background:"
    "var(--soft)}.card .what{color:var(--dim);font-size:.85rem}.card .who{font-weight:650;"
    "overflow-wrap:anywhere}.card .num{font-size:1.5rem;font-weight:700;line-height:1.25}"
    ".card .than{font-size:.85rem;color:var(--dim)}\n"
    ".scroll{overflow-x:auto;margin:.5rem 0 1.25rem}.scroll:focus-visible,summary:focus-visible{"
    "outline:2px solid var(--accent);outline-offset:2px}\n"
    "table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}\n"
    "caption{text-align:left;color:var(--dim);font-size:.85rem;padding:.2rem 0}\n"
    "th,td{padding:.38rem .7rem .38rem 0;border-bottom:1px solid var(--line);text-align:left;"
    "vertical-align:top}thead th{font-weight:600;color:var(--dim);border-bottom:2px solid "
    "var(--line)}tbody th{font-weight:600;overflow-wrap:anywhere;min-width:7rem}.r{text-align:"
    "right;white-space:nowrap}tr.muted th,tr.muted td{color:var(--dim);font-weight:400}\n"
    "figure{margin:1rem 0 1.25rem}figcaption{font-weight:600;margin-bottom:.15rem}figure p{color:"
    "var(--dim);font-size:.88rem;margin:.1rem 0 .4rem}\n"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:0 "
    "2rem}\n"
    "svg{display:block;width:100%;height:auto;max-width:62rem;overflow:visible}svg text{font:12px "
    "system-ui,\"DejaVu Sans\",sans-serif;fill:var(--fg)}svg .dim{fill:var(--dim)}svg .grid{stroke:"
    "var(--line);stroke-width:1;fill:none}svg .zero{stroke:var(--fg);stroke-width:1.25}svg .name{"
    "font-weight:600}\n"
    ".legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem}.legend svg{"
    "display:inline-block;width:.8em;height:.8em;margin-right:.4em}\n"
    "details{border:1px solid var(--line);border-radius:8px;padding:.5rem .9rem;margin:.6rem 0}"
    "summary{cursor:pointer;font-weight:600}\n"
    "footer{margin-top:2.5rem;color:var(--dim);font-size:.85rem;border-top:1px solid var(--line);"
    "padding-top:.8rem;overflow-wrap:anywhere}\n"
    "@media(max-width:36rem){main{padding:1rem .9rem 2rem}svg text{font-size:17px}}\n";

void page_open(struct buf *out, const char *title)
{
    buf_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                 "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                 "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    put_html(out, title);
    buf_str(out, "</title>\n<style>\n");
    buf_str(out, style);
    for (int i = 0; i < PAGE_COLOURS; i++)
        buf_printf(out, ".s%d{fill:var(--s%d)}.l%d{stroke:var(--s%d);fill:none;stroke-width:2}\n",
                   i, i, i, i);
    buf_str(out, "</style>\n</head>\n<body>\n<main>\n<h1>");
    put_html(out, title);
    buf_str(out, "</h1>\n");
}

void page_close(struct buf *out)
{
    buf_str(out, "</main>\n</body>\n</html>\n");
}
