//! `wait`: lets time pass, or waits for a moment. Nothing is held meanwhile: the run is stored and taken up again.

use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::duration::{check_wait, wait_of};
use crate::effect::{Effect, EffectError, Outcome};
use crate::node::{
    Behaviour, Built, DONE, Declaration, Next, Step, Words, done_only, invalid_input, object_schema, text_of,
};

const EXAMPLE: &str = r#"workflow: remind
inputs: { what: string }
nodes:
  later: { use: wait, with: { for: 2h } }
  reminder: { use: answer, after: [later], with: { text: "Time for: {{ inputs.what }}" } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "wait",
    title: Words { en: "Wait", zh: "等待" },
    summary: Words {
        en: "Lets time pass, or waits until a moment; also across restarts.",
        zh: "等待一段时间，或等到某个时刻；重启后继续等待。",
    },
    config,
    outputs,
    ports: done_only,
    streams: false,
    caches: false,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    object_schema(
        json!({
            "for": { "title": "For · 时长", "description": "30m, 2h, 3d, or a number of seconds; 366 days at most · 30m、2h、3d 或秒数，最多 366 天",
                "type": ["string", "number"], "x-widget": "duration" },
            "until": { "title": "Until · 时刻", "description": "2026-10-01T09:00:00+08:00, or a date, or date and time, of the server's zone · 带时区的时刻，或服务器时区的日期、日期时间",
                "type": "string", "x-widget": "moment" },
        }),
        &[],
    )
}

fn outputs() -> Value {
    object_schema(json!({}), &[])
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    match (context.get("for"), context.get("until")) {
        (None, None) => {
            let span = context.with_span;
            context
                .diagnostics()
                .error("missing_key", span, "`for` is missing")
                .hint("`for` is a length of time such as `2h`; `until` is a moment such as `2026-10-01 09:00`");
        }
        (Some(_), Some(until)) => {
            let span = until.span;
            context
                .diagnostics()
                .error("conflicting_keys", span, "`for` and `until` exclude each other")
                .hint("take one of them out");
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    check_wait(context, "for");
    Some(Built {
        behaviour: Box::new(Wait),
        input: context.input(&[]),
        ports: vec![DONE.to_owned()],
        outputs: outputs(),
        streams: false,
        acts: true,
        says: false,
        answer: None,
    })
}

#[derive(Debug)]
struct Wait;

impl Behaviour for Wait {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        match wait_of(input, "for")? {
            // What is left of a length of time may be nothing.
            Some(0) => return Ok(Next::done(json!({}))),
            Some(ms) => return Ok(Next::ask(Effect::Wait { ms })),
            None => {}
        }
        let time = text_of(input, "until").trim().to_owned();
        if time.is_empty() {
            return Err(EffectError {
                hint: Some("the expression gave nothing; `or` can give it a default".to_owned()),
                ..invalid_input("there is neither a length of time nor a moment to wait for")
            });
        }
        Ok(Next::ask(Effect::WaitUntil { time }))
    }

    fn resume(&self, _: &mut Step<'_>, _: Value, outcome: Outcome) -> Result<Next, EffectError> {
        match outcome {
            Outcome::Failed { error } => Err(error),
            Outcome::Ok { value: _ } => Ok(Next::done(json!({}))),
        }
    }
}
