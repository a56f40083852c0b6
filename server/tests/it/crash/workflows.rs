//! What is run: each workflow names its requests by run and node, so that the service can count them.

use super::load::Api;
use super::put;

/// Their names, and how often each is started compared with the others.
pub(super) const STARTED: [&str; 8] = ["chain", "chain", "crowd", "outer", "rounds", "pause", "sleep", "question"];

/// A request that changes something: in doubt it is not repeated, and its node ends with `interrupted`.
fn perform(node: &str, more: &str) -> String {
    format!(
        "{{ use: http, on_error: continue, {more} with: {{ method: POST, url: SERVICE/do, body: {{ name: \"{{{{ run.id }}}}/{node}\", ticket: \"{{{{ inputs.ticket }}}}\" }} }} }}"
    )
}

/// A request that only reads: in doubt it is made again.
fn read(node: &str, more: &str) -> String {
    format!("{{ use: http, {more} with: {{ url: SERVICE/read, query: {{ name: \"{{{{ run.id }}}}/{node}\" }} }} }}")
}

fn all() -> Vec<(&'static str, String)> {
    let head = |name: &str| format!("workflow: {name}\ninputs: {{ ticket: string }}\nnodes:\n");
    let tail = "  reply: { use: answer, after: [last], with: { text: \"{{ inputs.ticket }} is done\" } }\noutputs: { ticket: \"{{ inputs.ticket }}\" }\n";
    let chain = format!(
        "{}  one: {}\n  two: {}\n  three: {}\n  four: {}\n  last: {}\n{tail}",
        head("chain"),
        perform("one", ""),
        read("two", "after: [one],"),
        perform("three", "after: [two],"),
        perform("four", "after: [three],"),
        read("last", "after: [four],"),
    );
    let crowd = format!(
        "{}  all:\n    use: each\n    with: {{ items: [a, b, c, d, e, f], concurrency: 3 }}\n    do:\n      seen: {}\n      done: {}\n    collect: \"{{{{ done.body.serial or done.error.code }}}}\"\n  last: {}\n{tail}",
        head("crowd"),
        read("all[{{ index }}].seen", ""),
        perform("all[{{ index }}].done", "after: [seen],"),
        perform("last", "after: [all],"),
    );
    let nested = "{ use: workflow/chain, with: { ticket: \"{{ inputs.ticket }}\" } }";
    let outer = format!(
        "{}  left: {nested}\n  right: {nested}\n  last: {}\n{tail}",
        head("outer"),
        perform("last", "after: [left, right],"),
    );
    let rounds = format!(
        "{}  turns:\n    use: loop\n    with: {{ times: 5, vars: {{ said: [] }} }}\n    do:\n      step: {}\n    next: {{ said: \"{{{{ loop.said + [index] }}}}\" }}\n  last: {}\n{tail}",
        head("rounds"),
        perform("turns[{{ index }}].step", ""),
        perform("last", "if: \"turns.said == [0, 1, 2, 3, 4]\","),
    );
    let pause = format!(
        "{}  first: {}\n  rest: {{ use: wait, after: [first], with: {{ for: 0.3 }} }}\n  last: {}\n{tail}",
        head("pause"),
        perform("first", ""),
        perform("last", "after: [rest],"),
    );
    // Long enough to be a row in the database instead of a task.
    let sleep = pause.replace("workflow: pause", "workflow: sleep").replace("for: 0.3", "for: 11");
    let question = format!(
        "{}  which: {{ use: ask, with: {{ question: This or that?, options: [this, that] }} }}\n  this: {}\n  that: {}\n  last: {}\n{tail}",
        head("question"),
        perform("this", "after: [which.this],"),
        perform("that", "after: [which.that],"),
        read("last", "after: [this, that],"),
    );
    let order = "workflow: order\ninputs: { ticket: string }\nnodes:\n  say: { use: llm, with: { prompt: \"{{ inputs.ticket }}\" } }\n  \
        first: { use: answer, with: { text: \"{{ say.text }}\" } }\n  \
        which: { use: ask, after: [first], with: { question: This or that?, options: [this, that], max_attempts: 1 } }\n  \
        last: { use: answer, after: [which.this, which.that, which.done], with: { text: \"You said {{ which.answer }}.\" } }\n"
        .to_owned();
    vec![
        ("chain", chain),
        ("crowd", crowd),
        ("outer", outer),
        ("rounds", rounds),
        ("pause", pause),
        ("sleep", sleep),
        ("question", question),
        ("order", order.replace("inputs: { ticket: string }\n", "").replace("inputs.ticket", "chat.message")),
    ]
}

pub(super) async fn publish(api: &Api, service: &str) {
    for (name, yaml) in all() {
        put(api, &format!("/api/v1/workflows/{name}"), &yaml.replace("SERVICE", service)).await;
    }
    put(api, "/api/v1/assistants/desk", "assistant: desk\nsystem_prompt: You are the desk.\n").await;
    put(api, "/api/v1/assistants/shop", "assistant: shop\nfallback: workflow/order\n").await;
}
