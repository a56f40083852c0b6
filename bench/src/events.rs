//! Server-sent events out of the pieces in which they arrive.

/// Keeps what is not a whole line yet.
#[derive(Default)]
pub(crate) struct Events {
    rest: Vec<u8>,
    name: String,
}

impl Events {
    /// Takes more bytes and tells of every `data` line that is whole by now, with its event's name. The server writes one
    /// `data` line per event.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(&str, &str)) {
        self.rest.extend_from_slice(bytes);
        let mut begin = 0;
        while let Some(length) = self.rest.get(begin..).and_then(|it| it.iter().position(|byte| *byte == b'\n')) {
            let line = self.rest.get(begin..begin + length).unwrap_or_default();
            begin += length + 1;
            // The server writes UTF-8; what is not would be no event of its.
            let line = std::str::from_utf8(line).unwrap_or_default().trim_end_matches('\r');
            if let Some(name) = line.strip_prefix("event:") {
                name.trim_start().clone_into(&mut self.name);
            } else if let Some(data) = line.strip_prefix("data:") {
                tell(&self.name, data.trim_start());
            }
        }
        self.rest.drain(..begin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_wherever_the_pieces_are_cut() {
        let text =
            "event: run.started\ndata: {\"a\":1}\nid: 1\n\n: keep-alive\n\nevent: message.delta\r\ndata: 菜\r\n\r\n";
        for size in [1, 2, 3, 7, text.len()] {
            let (mut events, mut told) = (Events::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                events.feed(piece, |name, data| told.push(format!("{name} {data}")));
            }
            assert_eq!(told, ["run.started {\"a\":1}", "message.delta 菜"], "in pieces of {size}");
        }
    }
}
