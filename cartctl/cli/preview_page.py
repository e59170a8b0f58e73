"""The page that `cartctl preview --all` writes: every mail with its subject and size, each in a frame of its own.

One file without a script. The frames show the files beside it, and are loaded when they are opened.
"""

from collections.abc import Sequence
from html import escape
from itertools import groupby

from cartctl.domain.times import format_duration
from cartctl.jobs.preview import Preview
from cartctl.mail.review import MAX_BYTES

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --quiet: #5b6673; --paper: #f3f5f8; --card: #fff; --line: #e3e8ee;
  --accent: #1f4fd8; --bad: #b42318; --bad-paper: #fdecea; --chip: #eef1f5 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --quiet: #a7b0bd; --paper: #12161c; --card: #1e252f;
  --line: #3a4452; --accent: #7aa2ff; --bad: #ff9a8f; --bad-paper: #3a211f; --chip: #2b3440 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem }
h1 { margin: 0 0 .25rem; font-size: 1.75rem; line-height: 1.2 }
h2 { margin: 2.5rem 0 1rem; font-size: 1.25rem }
h3 { margin: 0; font-size: 1.0625rem; display: flex; gap: .75rem; align-items: baseline; flex-wrap: wrap }
p { margin: 0 }
.quiet { color: var(--quiet); font-size: .875rem; font-weight: 400 }
.step { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1rem 1.25rem .5rem;
  margin-bottom: 1rem }
details { border-top: 1px solid var(--line); margin-top: .75rem; padding: .25rem 0 }
details + details { margin-top: 0 }
summary { padding: .5rem 0; cursor: pointer; display: grid; grid-template-columns: auto 1fr auto; gap: .25rem .75rem;
  align-items: center; list-style: none }
summary::-webkit-details-marker { display: none }
summary:hover .subject { color: var(--accent) }
summary:focus-visible, a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px }
.subject { font-weight: 600; overflow-wrap: anywhere; min-width: 0 }
.subject::after { content: " ▸"; color: var(--quiet); font-weight: 400 }
details[open] .subject::after { content: " ▾" }
.chips { display: flex; gap: .375rem; flex-wrap: wrap }
.chip { background: var(--chip); border-radius: 999px; padding: 0 .625rem; font-size: .8125rem; line-height: 1.5rem }
.size { white-space: nowrap }
.large { color: var(--bad); font-weight: 600 }
nav { display: flex; gap: 1rem; padding-bottom: .5rem; font-size: .875rem }
a { color: var(--accent) }
iframe { display: block; width: 100%; height: 46rem; margin-bottom: .5rem; border: 1px solid var(--line);
  border-radius: 8px; background: #fff }
.fault { margin: .75rem 0; padding: .5rem .75rem; background: var(--bad-paper); color: var(--bad); border-radius: 8px;
  overflow-wrap: anywhere }
@media (max-width: 480px) { main { padding: 1.25rem .75rem 3rem } .step { padding: .75rem .875rem .25rem }
  summary { grid-template-columns: 1fr auto } .subject { grid-column: 1 / -1; grid-row: 2 } }
"""


def page(previews: Sequence[Preview]) -> str:
    """Return the page. The previews of a sequence, and in it of a step, stand together."""
    faults = sum(bool(each.fault) for each in previews)
    wrong = f", {faults} at fault" if faults else ""
    sections = "".join(
        _sequence(name, list(group)) for name, group in groupby(previews, lambda each: each.choice.sequence.name)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>Every mail · cartctl</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Every mail</h1>
<p class="quiet">{len(previews)} texts{wrong}. Press one to see it. No link in them leads to a cart.</p>
{sections}
</main>
</body>
</html>
"""


def _sequence(name: str, previews: Sequence[Preview]) -> str:
    steps = "".join(_step(list(group)) for _, group in groupby(previews, lambda each: each.choice.step.key))
    return f"<section>\n<h2>{escape(name)}</h2>\n{steps}</section>\n"


def _step(previews: Sequence[Preview]) -> str:
    step = previews[0].choice.step
    after = f"after {format_duration(step.after)}" if step.after else "at once"
    texts = "".join(_text(each) for each in previews)
    return f'<div class="step">\n<h3>{escape(step.key)} <span class="quiet">{after}</span></h3>\n{texts}</div>\n'


def _text(preview: Preview) -> str:
    choice, mail = preview.choice, preview.mail
    words = [choice.locale, *([choice.segment] if choice.segment else [])]
    chips = "".join(f'<span class="chip">{escape(word)}</span>' for word in words)
    if mail is None:
        return f'<div class="fault"><span class="chips">{chips}</span>{escape(preview.fault)}</div>\n'
    size = len(mail.html.encode())
    large = " large" if size >= MAX_BYTES else ""
    name = escape(choice.name)
    return f"""<details>
<summary><span class="chips">{chips}</span><span class="subject">{escape(mail.subject)}</span>
<span class="quiet size{large}">{size / 1000:.1f} kB</span></summary>
<nav><a href="{name}.html">HTML</a><a href="{name}.txt">Text</a><a href="{name}.headers.txt">Headers</a></nav>
<iframe src="{name}.html" title="{escape(f"{choice.step.key}: {mail.subject}")}" loading="lazy" sandbox></iframe>
</details>
"""
