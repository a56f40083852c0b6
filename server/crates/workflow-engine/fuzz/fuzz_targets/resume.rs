//! A golden case's program, and any sequence of outcomes, words, restarts and cancels that the bytes ask for.

#![no_main]

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::{Value, json};
use workflow_engine::{Delta, EffectError, EffectId, Limits, Outcome, Run, RunInput};
use workflow_engine_fuzz::cases::{Case, cases};
use workflow_engine_fuzz::outcomes::{any_json, any_outcome, fitting};
use workflow_engine_fuzz::player::{MAX_EFFECTS, Player};

static CASES: LazyLock<Vec<Case>> = LazyLock::new(cases);

/// Few, so that a run is over soon.
const MAX_STEPS: [u32; 4] = [150, 30, 5, 1];

fuzz_target!(|bytes: &[u8]| -> Corpus {
    match play(&mut Unstructured::new(bytes)) {
        Ok(()) => Corpus::Keep,
        Err(_) => Corpus::Reject,
    }
});

fn play(bytes: &mut Unstructured<'_>) -> Result<()> {
    let which = usize::from(bytes.arbitrary::<u8>()?) % CASES.len();
    let Some(case) = CASES.get(which) else { return Ok(()) };
    let limits = Limits {
        max_steps: *bytes.choose(&MAX_STEPS)?,
        max_parallel: *bytes.choose(&[16, 1, 2, 0])?,
        max_value_bytes: *bytes.choose(&[1 << 20, 4096, 64 << 20])?,
        max_tokens: *bytes.choose(&[None, Some(100), Some(0)])?,
        max_cost: *bytes.choose(&[None, Some(0.05)])?,
    };
    let max_steps = limits.max_steps;
    let mut input = RunInput { limits, seed: bytes.arbitrary()?, ..case.input.clone() };
    match bytes.int_in_range(0..=15)? {
        0 => input.inputs = any_json(bytes, 4)?,
        1 => input.state = any_json(bytes, 4)?,
        2 => input.user = any_json(bytes, 4)?,
        3 => one_other(&mut input.inputs, bytes)?,
        _ => {}
    }
    let mut player = Player::new(case, max_steps, || Run::start(&case.program, input.clone()));
    while !bytes.is_empty() && !player.over {
        act(&mut player, bytes, case)?;
    }
    let mode: u8 = bytes.arbitrary()?;
    end(&mut player, case, mode);
    begin_again(&player, case, (&input, mode));
    Ok(())
}

/// One of the inputs is something else.
fn one_other(inputs: &mut Value, bytes: &mut Unstructured<'_>) -> Result<()> {
    if let Value::Object(map) = inputs {
        let other = any_json(bytes, 3)?;
        let which = usize::from(bytes.arbitrary::<u8>()?) % map.len().max(1);
        if let Some(value) = map.values_mut().nth(which) {
            *value = other;
        }
    }
    Ok(())
}

fn act(player: &mut Player<'_>, bytes: &mut Unstructured<'_>, case: &Case) -> Result<()> {
    let asked: Vec<EffectId> = player.pending.keys().copied().collect();
    let id = *bytes.choose(&asked)?;
    match bytes.int_in_range(0..=31)? {
        0..=19 => {
            let Some(request) = player.pending.get(&id) else { return Ok(()) };
            let outcome = any_outcome(bytes, request, case)?;
            player.resume(id, &outcome);
        }
        20..=25 => player.progress(id, &Delta::Text(bytes.arbitrary::<&str>()?.to_owned())),
        26 => player.progress(id, &Delta::Text("辣 ".repeat(bytes.int_in_range(0..=30_000)?))),
        27 => player.progress(id, &Delta::Reasoning(bytes.arbitrary::<&str>()?.to_owned())),
        28 | 29 => player.restart(),
        // What nobody asked for changes nothing.
        30 => player.resume(EffectId(bytes.arbitrary::<u64>()? | 1 << 40), &Outcome::Ok { value: json!({}) }),
        _ => player.cancel(),
    }
    Ok(())
}

/// However its effects end, a run ends.
fn end(player: &mut Player<'_>, case: &Case, mode: u8) {
    let mut outcomes: u64 = 0;
    while let Some((id, request)) = player.pending.iter().next().map(|(id, it)| (*id, it.clone())) {
        let value = fitting(&mut Unstructured::new(&[]), &request, case).unwrap_or_default();
        let error = EffectError { code: "unavailable".to_owned(), ..EffectError::default() };
        let outcome = match mode % 3 {
            0 => Outcome::Ok { value },
            1 => Outcome::Failed { error },
            _ => Outcome::Ok { value: Value::Null },
        };
        player.resume(id, &outcome);
        outcomes += 1;
        assert!(outcomes < MAX_EFFECTS, "{}: goes on and on", case.name);
    }
    assert!(player.over, "{}: neither asks nor ends", case.name);
}

/// What a run has done can be the beginning of another.
fn begin_again(player: &Player<'_>, case: &Case, (input, mode): (&RunInput, u8)) {
    let past = player.run.past(&case.program);
    let nodes = case.program.nodes();
    let Some(from) = nodes.get(usize::from(mode) % nodes.len().max(1)) else { return };
    let start = || Run::start_from(&case.program, input.clone(), (&from.id, &past));
    if let Err(error) = start() {
        // Only the outermost nodes can be begun from.
        assert!(!past.contains_key(&from.id), "{}: {error}", case.name);
        return;
    }
    let mut again = Player::new(case, input.limits.max_steps, || start().expect("it began before"));
    end(&mut again, case, mode);
}
