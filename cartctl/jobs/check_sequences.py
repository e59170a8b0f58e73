"""Render every text of every step on sample carts, odd ones among them, and name what is wrong with any of them.

A template that fails does so here, before a sequence runs, and not in a shopper's mail. Each step is rendered in a
child process of its own (`jobs.contained`): whatever its templates do, the check goes on to the next step.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import cycle, product
from pathlib import Path
from typing import Any

from cartctl.domain.attributes import Value
from cartctl.domain.sequences import CART_ABANDONED, Step
from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.errors import CostlyTemplateError, TemplateError
from cartctl.jobs import contained
from cartctl.jobs.contained import Limits
from cartctl.jobs.sample_answers import RuleError, sample_attributes
from cartctl.jobs.samples import codes_of, sample_people
from cartctl.mail.facts import MailFacts, Rendered
from cartctl.mail.render import Renderer
from cartctl.mail.review import HTML, SUBJECT, Wrong, literal, locate, review
from cartctl.mail.texts import TextFiles, Texts

_ON_COOLDOWN = (
    "reads the same without a code, which is what shoppers get who had one lately: "
    'write {% if coupon %} into its templates, or set on_cooldown = "skip"'
)
_NOBODY = "no answers were found that fit segment {}: its texts were tried on those of another"
_LONGEST = 300
"""Of a fault: a template may put anything into one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a text, and the first sample that shows it."""

    template: str
    """The file, as the template folders name it."""
    line: int | None
    fault: str
    advice: str
    renders: bool
    """Whether there is a mail all the same."""
    step: str
    """`cart-recovery/offer`"""
    locale: str
    segment: str
    sample: str

    def __str__(self) -> str:
        place = f"{self.template}, line {self.line}" if self.line else self.template
        shown = f"sample: {self.sample}, {self.locale}{f', segment {self.segment}' if self.segment else ''}"
        return f"{place}: {self.fault} ({shown}){f': {self.advice}' if self.advice else ''}"


@dataclass(frozen=True, slots=True)
class Check:
    """What was rendered; `problems` keep mails from being sent, `hints` do not."""

    steps: int
    rendered: int
    problems: tuple[Fault, ...]
    hints: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "rendered": self.rendered,
            "problems": [asdict(problem) for problem in self.problems],
            "hints": list(self.hints),
        }


def run(
    sequences: Mapping[str, MailSequence],
    folders: Sequence[Path],
    *,
    coupons: Mapping[str, str],
    now: datetime,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Check:
    """Render all steps. Every fault is named once, with its first sample; those that let no mail be made come first.

    Of a sequence with a check or a segment's rule that cannot be worked out nothing is rendered.
    """
    steps = rendered = 0
    problems: list[Fault] = []
    hints: list[str] = []
    for sequence in sequences.values():
        try:
            known = sample_attributes(sequence)
        except RuleError as error:
            problems.append(_of_rule(error, sequence))
            continue
        hints += [f"{sequence.name}: {_NOBODY.format(segment)}" for segment in known if not known[segment]]
        for step in sequence.steps:
            steps += 1
            look = _Look(sequence, step, folders, coupons, known=known, now=now)
            ended = contained.run(look.at_all, limits)
            tried = look.first
            for found in ended.found:
                tried = found.get("trying", tried)
                rendered += "rendered" in found
                problems += [Fault(**found["fault"])] if "fault" in found else []
                hints += [found["hint"]] if "hint" in found else []
            if ended.broken_off:
                problems.append(
                    Fault(**tried, line=None, fault=ended.broken_off, advice="", renders=False, step=look.name)
                )
    problems.sort(key=lambda problem: problem.renders)
    return Check(steps, rendered, tuple(problems), tuple(dict.fromkeys(hints)))


class _Look:
    """A look at one step, in a child process: yields what it tries and what it finds, as JSON."""

    def __init__(
        self,
        sequence: MailSequence,
        step: Step,
        folders: Sequence[Path],
        coupons: Mapping[str, str],
        *,
        known: Mapping[str, Sequence[Mapping[str, Value]]],
        now: datetime,
    ) -> None:
        """`known` holds by segment attributes that fit it."""
        self.known, self.now = known, now
        self.sequence, self.step, self.folders, self.coupons = sequence, step, folders, coupons
        self.name = f"{sequence.name}/{step.key}"
        self.first = {"template": f"{self.name}.mjml", "locale": sequence.language, "segment": "", "sample": "usual"}
        self.renderer, self.files = Renderer(folders), TextFiles(folders)
        self.told: set[tuple[str, str]] = set()
        self.hopeless: set[str] = set()
        """Texts that took too much once: each more try would take as long."""

    def at_all(self) -> Iterator[dict[str, Any]]:
        coupon = self.step.coupon
        if coupon and coupon not in self.coupons:
            yield {
                "hint": f"{self.name}: no [coupons] {coupon} is configured: without imported codes the step is skipped"
            }
        for name, right in self.renderer.misnamed(self.sequence, self.step).items():
            yield {"hint": f"{name}: nobody gets it: call it {right}"}
        for translation, text in self.files.left_as_shipped(self.sequence, self.step):
            told = f"{translation} is as shipped, though {text} is yours: its readers do not get what you wrote"
            yield {"hint": told}
        for locale in self._locales():
            if not self.renderer.has_words(locale):
                missing = f'no shared/locales/{locale}.toml: "Total" and the like are said in English'
                yield {"hint": f"{self.name}: {missing}"}
        for sample, facts in self._samples():
            texts = self._texts(facts)
            if texts.where in self.hopeless:
                continue
            tried = {
                "template": f"{texts.where}.{HTML}",
                "locale": facts.locale,
                "segment": facts.segment,
                "sample": sample,
            }
            yield {"trying": tried}
            try:
                mail = self.renderer.render(self.sequence, self.step, facts)
            except TemplateError as error:
                if isinstance(error, CostlyTemplateError):
                    self.hopeless.add(texts.where)
                yield from self._tell(self._of_error(error, facts.segment), tried, renders=False)
                continue
            yield {"rendered": True}
            for wrong in review(mail, facts, has_cart=self.sequence.trigger == CART_ABANDONED):
                yield from self._tell(self._of_wrong(wrong, texts), tried, renders=True)
            if self._speaks_of_a_code(facts, mail):
                yield {"hint": f"{self.name}: {_ON_COOLDOWN}"}

    def _samples(self) -> Iterator[tuple[str, MailFacts]]:
        """Yield the samples with the step's code and without, in every language and for every segment."""
        codes = codes_of(self.step, self.coupons)
        for locale, segment, code in product(self._locales(), self.known, codes):
            attributes = cycle(self.known[segment] or next(filter(None, self.known.values()), [{}]))
            for name, facts in sample_people(self.sequence, coupon=code).items():
                if facts.locale and locale != self.sequence.language:
                    continue  # it would be the same mail once more
                label = name if code == codes[0] else f"{name}, without a code"
                yield (
                    label,
                    replace(
                        facts,
                        locale=facts.locale or locale,
                        segment=segment,
                        attributes=next(attributes),
                        sent_at=self.now,
                    ),
                )

    def _locales(self) -> tuple[str, ...]:
        return (self.sequence.language, *self.renderer.locales(self.sequence, self.step))

    def _texts(self, facts: MailFacts) -> Texts:
        return self.files.choose(self.sequence.name, self.step.key, facts.segment, facts.locale, self.sequence.language)

    def _of_error(self, error: TemplateError, segment: str) -> dict[str, Any]:
        advice = _advice(error, self.sequence, self.step, segment)
        if error.template.endswith(": subject"):
            return self._of_subject(error.fault, advice)
        return {"template": error.template, "line": error.line, "fault": error.fault, "advice": advice}

    def _of_wrong(self, wrong: Wrong, texts: Texts) -> dict[str, Any]:
        if wrong.part == SUBJECT and not texts.has_subject:
            return self._of_subject(wrong.fault, wrong.advice)
        ending, line = (HTML, None) if wrong.part == HTML else ("txt", 1 if wrong.part == SUBJECT else None)
        template = f"{texts.where}.{ending}"
        if wrong.written and (found := locate(self.folders, template, wrong.written)):
            template, line = found
        fault = f"the subject {wrong.fault}" if wrong.part == SUBJECT else wrong.fault
        return {"template": template, "line": line, "fault": fault, "advice": wrong.advice}

    def _of_subject(self, fault: str, advice: str) -> dict[str, Any]:
        file = f"{self.sequence.name}/sequence.toml"
        found = locate(self.folders, file, literal(self.step.subject))
        told = f'the subject of step "{self.step.key}" {fault}' if not fault.startswith("'") else fault
        return {"template": file, "line": found[1] if found else None, "fault": told, "advice": advice}

    def _tell(self, about: dict[str, Any], tried: dict[str, str], *, renders: bool) -> Iterator[dict[str, Any]]:
        about["fault"] = " ".join(about["fault"].split())[:_LONGEST]
        known = (f"{about['template']}, {about['line']}", about["fault"])
        if known not in self.told:
            self.told.add(known)
            yield {"fault": {**tried, **about, "renders": renders, "step": self.name}}

    def _speaks_of_a_code(self, facts: MailFacts, mail: Rendered) -> bool:
        """Say whether a text without a code is that with one, and a hole in it."""
        if facts.coupon or not self.step.coupon:
            return False
        mark = "SAMPLE-CODE"
        with_code = self.renderer.render(self.sequence, self.step, replace(facts, coupon=mark)).text
        return mark in with_code and with_code.replace(mark, "") == mail.text


def _of_rule(error: RuleError, sequence: MailSequence) -> Fault:
    return Fault(
        template=f"{sequence.name}/sequence.toml",
        line=None,
        fault=" ".join(str(error).split())[:_LONGEST],
        advice="what an attribute is, [attributes] says: a text is no number",
        renders=False,
        step=sequence.name,
        locale=sequence.language,
        segment=error.segment,
        sample="made-up answers",
    )


def _advice(error: TemplateError, sequence: MailSequence, step: Step, segment: str) -> str:
    missing = error.template == f"{sequence.name}/{step.key}.mjml" and "no such template" in error.fault
    if segment and missing:
        return f"write {step.key}@{segment}.mjml for the segment, or {step.key}.mjml for all"
    if "is undefined" in error.fault or "has no attribute" in error.fault:
        return 'the names there are stand in the README under "Editing the mails"'
    return ""
