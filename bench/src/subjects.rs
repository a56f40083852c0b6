//! What is measured: one file per subject, and the list of them in the report's order.

mod chats;
mod crates;
mod memory;
mod plugins;
mod runs;
mod start;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use crate::Options;
use crate::report::Section;

pub(crate) struct Subject {
    /// As on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) measure: for<'a> fn(&'a Options, &'a mut Section) -> LocalBoxFuture<'a, anyhow::Result<()>>,
}

macro_rules! subject {
    ($name:literal, $title:literal, $measure:path) => {
        Subject { name: $name, title: $title, measure: |options, section| $measure(options, section).boxed_local() }
    };
}

pub(crate) const ALL: [Subject; 12] = [
    subject!("engine", "Engine: overhead per node", crates::engine),
    subject!("expressions", "Expressions that try to burn time", crates::expressions),
    subject!("plugins", "Plugins: a call, and many", plugins::calls),
    subject!("storage", "Storage: steps per second", crates::storage),
    subject!("quality", "Retrieval quality", crates::quality),
    subject!("runs", "Workflows over HTTP, stored", runs::plain),
    subject!("model", "One model node that streams 50 tokens", runs::model),
    subject!("each", "Fan-out: 1,000 items, 50 at a time", runs::fan_out),
    subject!("chats", "Chats: delay added to the model's own", chats::delays),
    subject!("waiting", "Runs that wait for a person", memory::waiting),
    subject!("streams", "Slow streams held open", memory::streams),
    subject!("start", "Start, rest and size", start::start),
];

pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|it| it.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_titles_are_told_apart() {
        for (number, one) in ALL.iter().enumerate() {
            for other in ALL.iter().skip(number + 1) {
                assert!(one.name != other.name && one.title != other.title, "{} is there twice", one.name);
            }
        }
    }
}
