//! `guard`: looks a text over before it goes on: denied words, personal data, attempts to give a model other orders, and,
//! if wanted, what a safety model says. Everything but the model is decided here, without asking anybody.
//!
//! A judge that fails is an error of the node, so that `on_error` decides and nothing passes by accident.

mod injection;
mod judge;
mod normal;
mod pii;
mod read;
mod words;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Outcome};
use crate::node::{Behaviour, Built, Declaration, Next, PortsInfo, Step, Words, object_schema, text_of};
use normal::Normal;
use read::Checks;

const PASS: &str = "pass";
const BLOCK: &str = "block";

const EXAMPLE: &str = r#"workflow: front_door
inputs: { question: string }
nodes:
  checked:
    use: guard
    with:
      text: "{{ inputs.question }}"
      checks: { deny: [内部价格], pii: [phone, id_card], injection: true }
      mode: redact
  reply: { use: llm, after: [checked.pass], with: { prompt: "{{ checked.redacted }}" } }
  said: { use: answer, with: { text: "{{ reply.text }}" } }
  refused: { use: answer, after: [checked.block], with: { text: 这个问题我不能回答。 } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "guard",
    title: Words { en: "Guard", zh: "内容防护" },
    summary: Words {
        en: "Finds denied words, personal data and prompt injection in a text; blocks it, blanks them out, or reports.",
        zh: "检查文本中的禁用词、个人信息和提示词注入：拦截、打码或只报告。",
    },
    config,
    outputs,
    ports,
    streams: false,
    caches: true,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    object_schema(
        json!({
            "text": { "title": "Text · 文本", "type": "string", "x-widget": "template" },
            "checks": read::schema(),
            "mode": { "title": "Mode · 方式", "description": "block: any finding blocks; redact: words and personal data are blanked out, the rest blocks; report: nothing blocks · block 发现即拦截，redact 打码后放行，report 只报告",
                "type": "string", "enum": ["block", "redact", "report"], "default": "block" },
        }),
        &["text", "checks"],
    )
}

fn outputs() -> Value {
    let finding = object_schema(
        json!({
            "check": { "type": "string", "enum": ["deny", "pii", "injection", "judge"] },
            "kind": { "type": "string" },
            "text": { "type": "string" },
            "start": { "type": "integer" },
            "end": { "type": "integer" },
            "score": { "type": "number" },
        }),
        &["check", "kind", "start", "end"],
    );
    object_schema(
        json!({
            "verdict": { "type": "string", "enum": [PASS, BLOCK] },
            "categories": { "type": "array", "items": { "type": "string" } },
            "findings": { "description": "Places count characters from 0 · 位置从 0 起按字符计", "type": "array", "items": finding },
            "redacted": { "type": "string" },
        }),
        &["verdict", "categories", "findings", "redacted"],
    )
}

fn ports() -> PortsInfo {
    PortsInfo { fixed: vec![PASS, BLOCK], from: None }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Block,
    Redact,
    Report,
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let checks = read::checks(context);
    let mode = read::mode(context);
    Some(Built {
        behaviour: Box::new(Guard { checks, mode }),
        input: context.input(&["checks", "mode"]),
        ports: vec![PASS.to_owned(), BLOCK.to_owned()],
        outputs: outputs(),
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

#[derive(Debug)]
struct Guard {
    checks: Checks,
    mode: Mode,
}

/// What was found, and where, in characters of the text.
#[derive(Debug, Serialize, Deserialize)]
struct Finding {
    check: Check,
    kind: String,
    /// Masked where it is personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    start: usize,
    end: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Check {
    Deny,
    Pii,
    Injection,
    Judge,
}

/// What the node knows before a judge is asked, and remembers while it is.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    findings: Vec<Finding>,
    redacted: String,
    /// Characters of the text.
    length: usize,
}

impl Behaviour for Guard {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let text = text_of(input, "text");
        let report = self.look_over(&text);
        let Some(judge) = &self.checks.judge else { return Ok(self.decided(report)) };
        // What is blocked already, or empty, needs no model.
        if text.trim().is_empty() || self.blocks(&report) {
            return Ok(self.decided(report));
        }
        // What was blanked out is not told to the model either.
        let shown = if self.mode == Mode::Redact { &report.redacted } else { &text };
        let effect = Effect::Complete {
            model: judge.model.clone(),
            messages: judge::messages(shown, &judge.codes),
            temperature: Some(0.0),
            max_tokens: Some(judge::MAX_TOKENS),
            schema: None,
            tools: Vec::new(),
        };
        Ok(Next::Ask { effect, memory: json!(report) })
    }

    fn resume(&self, _: &mut Step<'_>, memory: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let answer = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let mut report: Report = serde_json::from_value(memory).map_err(|it| super::llm::broken_memory(&it))?;
        let end = report.length;
        for (code, _) in judge::read(answer.get("text").and_then(Value::as_str).unwrap_or_default())? {
            let kind = code.to_owned();
            report.findings.push(Finding { check: Check::Judge, kind, text: None, start: 0, end, score: None });
        }
        Ok(self.decided(report))
    }
}

impl Guard {
    /// Everything that can be found without a model.
    fn look_over(&self, text: &str) -> Report {
        let normal = Normal::new(text);
        let characters: Vec<char> = text.chars().collect();
        let is_chinese = characters.iter().any(|it| normal::is_ideograph(*it));
        let in_language = |(english, chinese): (&'static str, &'static str)| if is_chinese { chinese } else { english };
        let mut findings = Vec::new();
        let mut marks = Vec::new();
        for (from, until, word) in self.checks.deny.iter().flat_map(|it| it.find(&normal)) {
            let (start, end) = normal.place(from, until);
            marks.push((start, end, in_language(("[blocked]", "[屏蔽]"))));
            findings.push(Finding {
                check: Check::Deny,
                kind: "word".to_owned(),
                text: Some(word),
                start,
                end,
                score: None,
            });
        }
        for (from, until, kind) in pii::find(&normal, &self.checks.pii) {
            let (start, end) = normal.place(from, until);
            marks.push((start, end, in_language(kind.marks())));
            let text = Some(masked(characters.get(start..end).unwrap_or_default()));
            findings.push(Finding { check: Check::Pii, kind: kind.name().to_owned(), text, start, end, score: None });
        }
        findings.extend(self.injections(&normal, &characters));
        findings.sort_by_key(|it| (it.start, it.end));
        Report { findings, redacted: redacted(&characters, marks), length: characters.len() }
    }

    fn injections(&self, normal: &Normal, characters: &[char]) -> Vec<Finding> {
        let Some(threshold) = self.checks.injection else { return Vec::new() };
        let found = injection::find(normal);
        // Phrases that do not add up to an attempt are ordinary talk.
        if found.is_empty() || injection::score(&found) < threshold {
            return Vec::new();
        }
        let finding = |it: injection::Suspicion| {
            let (start, end) = normal.place(it.from, it.until);
            let text = characters.get(start..end).unwrap_or_default().iter().collect();
            let (kind, score) = (it.kind.to_owned(), Some(it.weight));
            Finding { check: Check::Injection, kind, text: Some(text), start, end, score }
        };
        found.into_iter().map(finding).collect()
    }

    fn blocks(&self, report: &Report) -> bool {
        match self.mode {
            Mode::Block => !report.findings.is_empty(),
            Mode::Redact => report.findings.iter().any(|it| matches!(it.check, Check::Injection | Check::Judge)),
            Mode::Report => false,
        }
    }

    fn decided(&self, report: Report) -> Next {
        let port = if self.blocks(&report) { BLOCK } else { PASS };
        let mut categories: Vec<&str> = Vec::new();
        for it in &report.findings {
            let name = match it.check {
                Check::Deny => "deny",
                Check::Injection => "injection",
                Check::Pii => it.kind.as_str(),
                Check::Judge => judge::category(&it.kind).unwrap_or(judge::UNSAFE).1,
            };
            if !categories.contains(&name) {
                categories.push(name);
            }
        }
        let output = json!({ "verdict": port, "categories": categories, "findings": report.findings, "redacted": report.redacted });
        Next::Done { ports: vec![port.to_owned()], output }
    }
}

/// Enough to recognise something that one knows, and not more: a quarter of the characters, at most the first and last
/// three.
fn masked(characters: &[char]) -> String {
    let shown = (characters.len() / 4).min(3);
    let hidden = shown..characters.len().saturating_sub(shown);
    characters.iter().enumerate().map(|(index, it)| if hidden.contains(&index) { '*' } else { *it }).collect()
}

/// The text with marks over some stretches. Where stretches overlap, the mark of the first one stands for all.
fn redacted(characters: &[char], mut marks: Vec<(usize, usize, &'static str)>) -> String {
    marks.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    let mut out = String::new();
    let mut written = 0;
    for (start, end, mark) in marks {
        if start >= written {
            out.extend(characters.get(written..start).unwrap_or_default());
            out.push_str(mark);
        }
        written = written.max(end);
    }
    out.extend(characters.get(written..).unwrap_or_default());
    out
}
