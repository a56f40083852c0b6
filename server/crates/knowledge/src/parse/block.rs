//! What every reader makes of its format, piece by piece, and what the splitter and the plain document reader take: so that
//! a format is known in one file, and what becomes of it in another.

use serde_json::{Map, Value};

use crate::error::KnowledgeError;
use crate::notice::Notice;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    /// Level 0 is the document's own title.
    Heading {
        level: u8,
        text: String,
    },
    Paragraph(String),
    /// With its marker, and two spaces for each level.
    ListItem(String),
    /// Without fences. Lines are kept as they are.
    Code(String),
    /// A table within a text.
    TableHeader(Vec<String>),
    TableRow(Vec<String>),
    TableEnd,
    /// A table that is the document, or a sheet of it: every row is a record of its own. Rows count from 1.
    SheetHeader {
        cells: Vec<String>,
        row: u32,
    },
    SheetRow {
        cells: Vec<String>,
        row: u32,
    },
    /// An object of JSON; `number` is its place in the array or its line.
    Object {
        number: u32,
        object: Map<String, Value>,
    },
    /// What should have been a row or an object.
    Broken {
        row: u32,
        notice: Notice,
    },
    /// What follows lies on this page (or slide), from 1.
    Page(u32),
    /// What follows lies in this sheet; headings and pages begin anew.
    Part(Option<String>),
    Question {
        question: String,
        answer: String,
    },
}

/// Takes blocks. An error ends the reading.
pub(crate) trait Blocks {
    fn block(&mut self, block: Block) -> Result<(), KnowledgeError>;

    /// How much of the file has been read, in whatever the reader counts.
    fn progress(&mut self, done: u64, total: u64) -> Result<(), KnowledgeError>;

    /// What the owner may want to know although the file could be read.
    fn warn(&mut self, warning: Notice);

    /// What a header is compared with; 0 where nobody knows any field.
    fn known_columns(&self, header: &[String]) -> usize {
        let _ = header;
        0
    }

    /// A file within an archive begins: its name, the bytes before it, its own, and all of them.
    fn begin_member(&mut self, name: &str, window: (u64, u64, u64));

    /// It has ended; what was wrong with its rows, if anything.
    fn end_member(&mut self) -> Result<Option<KnowledgeError>, KnowledgeError>;

    /// Whether a name is one of the base's fields.
    fn is_field(&self, name: &str) -> bool {
        self.known_columns(&[name.to_owned()]) > 0
    }
}

/// Which columns of a table are questions and their answers, in either language.
pub(crate) fn question_columns(header: &[String]) -> Option<(usize, usize)> {
    const QUESTIONS: [&str; 10] =
        ["question", "questions", "q", "问题", "问", "提问", "常见问题", "标准问题", "問題", "問"];
    const ANSWERS: [&str; 10] = ["answer", "answers", "a", "答案", "答", "回答", "回复", "标准答案", "解答", "答覆"];
    let keys: Vec<String> = header.iter().map(|it| crate::spec::header_key(it)).collect();
    let find = |names: &[&str]| keys.iter().position(|it| names.contains(&it.as_str()));
    Some((find(&QUESTIONS)?, find(&ANSWERS)?))
}

/// A row of a table as GitHub writes it.
pub(crate) fn table_line(cells: &[String]) -> String {
    let mut line = "|".to_owned();
    for cell in cells {
        line.push(' ');
        for character in cell.trim().chars() {
            match character {
                '|' => line.push_str("\\|"),
                '\n' | '\r' => line.push(' '),
                other => line.push(other),
            }
        }
        line.push_str(" |");
    }
    line
}

/// The line of dashes between header and rows.
pub(crate) fn table_rule(columns: usize) -> String {
    let mut line = "|".to_owned();
    (0..columns).for_each(|_| line.push_str("---|"));
    line
}
