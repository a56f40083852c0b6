//! Blocks into records: texts are split into passages, rows and objects become one record each, questions keep their answer.

use serde_json::{Map, Value};

use super::block::{Block, Blocks, question_columns};
use super::output::{Output, record_text};
use super::rows::{self, Column, Seen};
use super::splitter::Splitter;
use super::tokens::{TokenCounter, surely_fits};
use super::{Position, ReadOptions, Record, Sink, value};
use crate::error::{KnowledgeError, Problem};
use crate::notice::{Notice, notice};
use crate::spec::{FieldKind, Splitting};

pub(crate) struct Records<'a> {
    pub(crate) output: Output<'a>,
    splitter: Splitter<'a>,
    counter: &'a dyn TokenCounter,
    splitting: Splitting,
    /// The field that takes the text of passages.
    target: Option<String>,
    /// Text came, and there is no field for it.
    text_left_out: bool,
    sheet: Sheet,
    /// Of a table within a text.
    table: Sheet,
    sheets_left_out: Vec<String>,
    seen: Seen,
}

/// What becomes of a table's rows.
#[derive(Default)]
enum Sheet {
    #[default]
    None,
    Rows {
        columns: Vec<Column>,
        width: usize,
    },
    Questions {
        columns: Vec<Column>,
        question: usize,
        answer: usize,
    },
    /// Its header does not fit.
    Refused,
}

impl<'a> Records<'a> {
    pub(crate) fn new(file: &'a str, options: &ReadOptions<'a>, sink: &'a mut dyn Sink) -> Records<'a> {
        let spec = options.spec;
        Records {
            output: Output::new(file, options, sink),
            splitter: Splitter::new(spec.splitting, options.tokens),
            counter: options.tokens,
            splitting: spec.splitting,
            target: spec.fields.iter().find(|it| it.embed && it.kind == FieldKind::Text).map(|it| it.name.clone()),
            text_left_out: false,
            sheet: Sheet::None,
            table: Sheet::None,
            sheets_left_out: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// The end of the document, or of one member of an archive.
    pub(crate) fn end(&mut self) -> Result<(), KnowledgeError> {
        self.splitter.begin_part();
        self.drain()?;
        std::mem::take(&mut self.seen).finish(&mut self.output);
        self.sheet = Sheet::None;
        self.table = Sheet::None;
        self.output.sheet = None;
        let fields = self.output.spec.field_names();
        let left_out = std::mem::take(&mut self.sheets_left_out);
        let has_rows = self.output.records() > 0;
        if !left_out.is_empty() {
            let names = left_out.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
            let (sheets, fields) = (names, fields.as_str());
            let left_out = notice!(
                "sheets_left_out",
                "the sheets {sheets} have none of the columns {fields} and were left out",
                sheets,
                fields,
            );
            if has_rows { self.output.warn(left_out) } else { self.output.problem(Problem::of(left_out)) }
        }
        if std::mem::take(&mut self.text_left_out) {
            if has_rows {
                self.output.warn(notice!(
                    "text_left_out",
                    "text outside of the tables with {fields} was left out",
                    fields
                ));
            } else if !self.output.has_problems() {
                self.output.problem(Problem::of(notice!(
                    "text_for_tables",
                    "it is text, and this knowledge base takes tables with {fields}; upload a table or JSON, or give \
                     the base an embedded field of type text",
                    fields,
                )));
            }
        }
        Ok(())
    }

    fn takes_text(&mut self) -> bool {
        let takes = self.target.is_some() || self.output.spec.fields.is_empty();
        self.text_left_out |= !takes;
        takes
    }

    /// Passages that are complete become records.
    fn drain(&mut self) -> Result<(), KnowledgeError> {
        for passage in self.splitter.take() {
            let position = Position {
                page: passage.page,
                headings: passage.headings,
                parent: passage.parent,
                overlap: passage.overlap,
                ..self.output.position()
            };
            let fields = self.fields_of(&passage.text);
            self.output.push(Record { text: passage.text, fields, position, ..Record::default() })?;
        }
        Ok(())
    }

    fn fields_of(&self, text: &str) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(name) = &self.target {
            fields.insert(name.clone(), Value::String(text.to_owned()));
        }
        fields
    }

    /// A row's text in pieces that fit, nearly always one.
    fn pieces(&self, text: String) -> Vec<String> {
        let limit = self.splitting.tokens as usize;
        if surely_fits(&text, limit) || self.counter.count(&text) <= limit {
            return vec![text];
        }
        let whole = Splitting { overlap: 0.0, parent: None, ..self.splitting };
        let mut splitter = Splitter::new(whole, self.counter);
        for line in text.lines() {
            splitter.paragraph(line);
        }
        splitter.finish();
        splitter.take().into_iter().map(|it| it.text).collect()
    }

    fn push_row(&mut self, row: u32, text: String, fields: &Map<String, Value>) -> Result<(), KnowledgeError> {
        for text in self.pieces(text) {
            let position = Position { row: Some(row), ..self.output.position() };
            self.output.push(Record { text, fields: fields.clone(), position, ..Record::default() })?;
        }
        Ok(())
    }

    /// Takes the typed values of one row; its text is made of the embedded ones.
    fn typed_row(&mut self, row: u32, fields: Map<String, Value>) -> Result<(), KnowledgeError> {
        let text = record_text(self.output.spec, &fields);
        if text.is_empty() {
            let spec = self.output.spec;
            let embedded: Vec<&str> = spec.fields.iter().filter(|it| it.embed).map(|it| it.name.as_str()).collect();
            let fields = embedded.join(", ");
            let nothing = notice!("nothing_to_search_by", "nothing to search by: {fields} have no value", fields);
            self.output.problem(Problem::in_row(row, nothing));
            return Ok(());
        }
        self.push_row(row, text, &fields)
    }

    fn question(&mut self, question: &str, answer: &str, row: Option<u32>) -> Result<(), KnowledgeError> {
        for text in self.pieces(question.trim().to_owned()) {
            let position = Position {
                row,
                page: self.splitter.current_page(),
                headings: self.splitter.current_headings(),
                ..self.output.position()
            };
            let answer = Some(answer.trim().to_owned()).filter(|it| !it.is_empty());
            self.output.push(Record { text, position, answer, ..Record::default() })?;
        }
        Ok(())
    }

    fn sheet_of(&mut self, header: &[String], row: u32) -> Sheet {
        if self.output.spec.fields.is_empty() {
            let Some(columns) = rows::columns(header, row, &mut self.output) else { return Sheet::Refused };
            let names: Vec<String> = columns.iter().map(column_name).collect();
            return match question_columns(&names) {
                Some((question, answer)) => Sheet::Questions { columns, question, answer },
                None => Sheet::Rows { columns, width: header.len() },
            };
        }
        if let Some(sheet) = &self.output.sheet
            && self.known_columns(header) == 0
        {
            self.sheets_left_out.push(sheet.clone());
            return Sheet::Refused;
        }
        match rows::columns(header, row, &mut self.output) {
            Some(columns) => Sheet::Rows { columns, width: header.len() },
            None => Sheet::Refused,
        }
    }

    fn row(&mut self, sheet: &Sheet, cells: &[String], number: u32) -> Result<(), KnowledgeError> {
        if cells.iter().all(|it| it.trim().is_empty()) {
            return Ok(());
        }
        match sheet {
            Sheet::None | Sheet::Refused => Ok(()),
            Sheet::Questions { columns, question, answer } => {
                let cell = |at: usize| cells.get(at).map(|it| it.trim()).unwrap_or_default();
                let (asked, answered) = (cell(*question), cell(*answer));
                let others: Vec<Column> = columns
                    .iter()
                    .enumerate()
                    .map(|(at, it)| if at == *question || at == *answer { Column::Ignored } else { it.clone() })
                    .collect();
                let rest = rows::free_text(cells, &others);
                match (asked.is_empty(), rest.is_empty()) {
                    (true, true) if answered.is_empty() => Ok(()),
                    (true, true) => self.push_row(number, answered.to_owned(), &Map::new()),
                    (true, false) => self.push_row(number, format!("{rest}\n{answered}"), &Map::new()),
                    (false, true) => self.question(asked, answered, Some(number)),
                    (false, false) => self.question(&format!("{asked}\n{rest}"), answered, Some(number)),
                }
            }
            Sheet::Rows { columns, width } => {
                let has_fields = !self.output.spec.fields.is_empty();
                if cells.len() != *width {
                    if has_fields {
                        let (cells, columns) = (cells.len(), *width);
                        let uneven =
                            notice!("uneven_row", "it has {cells} cells, the header has {columns}", cells, columns);
                        self.output.problem(Problem::in_row(number, uneven));
                        return Ok(());
                    }
                    self.output.warn(notice!("uneven_rows", "some rows have more or fewer cells than the header"));
                }
                if has_fields {
                    return match rows::read_row(number, cells, columns, &mut self.output) {
                        Some(fields) => self.typed_row(number, fields),
                        None => Ok(()),
                    };
                }
                for (column, cell) in columns.iter().zip(cells) {
                    if let Some(problem) = rows::too_long(number, &column_name(column), cell) {
                        self.output.problem(problem);
                        return Ok(());
                    }
                }
                let text = rows::free_text(cells, columns);
                if text.is_empty() { Ok(()) } else { self.push_row(number, text, &Map::new()) }
            }
        }
    }

    fn object(&mut self, number: u32, object: &Map<String, Value>) -> Result<(), KnowledgeError> {
        if !self.output.spec.fields.is_empty() {
            return match self.seen.read_object(number, object, &mut self.output) {
                Some(fields) => self.typed_row(number, fields),
                None => Ok(()),
            };
        }
        let columns = self.output.columns;
        let header: Vec<String> = object.keys().filter(|it| !rows::is_left_out(columns, it)).cloned().collect();
        let cells: Vec<String> =
            header.iter().map(|it| object.get(it).map(value::readable).unwrap_or_default()).collect();
        let sheet = self.sheet_of(&header, number);
        self.row(&sheet, &cells, number)
    }

    fn text_block(&mut self, block: Block) -> Result<(), KnowledgeError> {
        if !self.takes_text() {
            return Ok(());
        }
        match block {
            Block::Paragraph(text) => self.splitter.paragraph(&text),
            Block::ListItem(text) => self.splitter.list_item(&text),
            Block::Code(text) => self.splitter.code(&text),
            Block::TableHeader(cells) => self.splitter.table_header(cells),
            Block::TableRow(cells) => self.splitter.table_row(&cells),
            Block::TableEnd => self.splitter.end_table(),
            Block::Heading { .. }
            | Block::SheetHeader { .. }
            | Block::SheetRow { .. }
            | Block::Object { .. }
            | Block::Broken { .. }
            | Block::Page(_)
            | Block::Part(_)
            | Block::Question { .. } => {}
        }
        self.drain()
    }

    fn table_header(&mut self, cells: Vec<String>) -> Result<(), KnowledgeError> {
        let spec = self.output.spec;
        let is_whole = |it: &crate::spec::FieldSpec| {
            self.output.has_metadata(&it.name) || cells.iter().any(|cell| rows::field_of(spec, cell) == Some(it))
        };
        let fits = if spec.fields.is_empty() {
            question_columns(&cells).is_some()
        } else {
            spec.fields.len() > 1 && spec.fields.iter().all(is_whole)
        };
        if !fits {
            return self.text_block(Block::TableHeader(cells));
        }
        self.splitter.break_off();
        self.drain()?;
        self.table = self.sheet_of(&cells, 1);
        Ok(())
    }
}

fn column_name(column: &Column) -> String {
    match column {
        Column::Field(field) => field.name.clone(),
        Column::Free(name) => name.clone(),
        Column::Ignored => String::new(),
    }
}

impl Blocks for Records<'_> {
    fn block(&mut self, block: Block) -> Result<(), KnowledgeError> {
        match block {
            Block::Heading { level, text } => {
                // A base of tables takes no headings, and they are no loss.
                if self.target.is_some() || self.output.spec.fields.is_empty() {
                    self.splitter.heading(level, &text);
                }
                self.drain()
            }
            Block::SheetHeader { cells, row } => {
                self.splitter.begin_part();
                self.drain()?;
                self.sheet = self.sheet_of(&cells, row);
                // Nothing can come of a table that is the only one and does not fit.
                if self.output.member.is_none() && self.output.sheet.is_none() && matches!(self.sheet, Sheet::Refused) {
                    return self.output.take_problems().map_or(Ok(()), Err);
                }
                Ok(())
            }
            Block::SheetRow { cells, row } => {
                let sheet = std::mem::take(&mut self.sheet);
                let done = self.row(&sheet, &cells, row);
                self.sheet = sheet;
                done
            }
            Block::TableHeader(cells) => self.table_header(cells),
            Block::TableRow(cells) if !matches!(self.table, Sheet::None) => {
                let table = std::mem::take(&mut self.table);
                self.splitter.use_heading();
                let width = match &table {
                    Sheet::Rows { width, .. } => *width,
                    Sheet::Questions { columns, .. } => columns.len(),
                    Sheet::None | Sheet::Refused => cells.len(),
                };
                let mut cells = cells;
                cells.resize(width, String::new());
                let done = self.row(&table, &cells, 1);
                self.table = table;
                done
            }
            Block::TableEnd if !matches!(self.table, Sheet::None) => {
                self.table = Sheet::None;
                Ok(())
            }
            Block::Object { number, object } => self.object(number, &object),
            Block::Broken { row, notice } => {
                self.output.problem(Problem::in_row(row, notice));
                Ok(())
            }
            Block::Page(page) => {
                self.splitter.page(page);
                self.output.last_page = self.output.last_page.max(Some(page));
                Ok(())
            }
            Block::Part(part) => {
                self.splitter.begin_part();
                self.drain()?;
                self.output.sheet = part;
                self.sheet = Sheet::None;
                Ok(())
            }
            Block::Question { question, answer } => {
                if !self.output.spec.fields.is_empty() {
                    return self.text_block(Block::Paragraph(format!("{question}\n{answer}")));
                }
                self.splitter.break_off();
                self.drain()?;
                self.splitter.use_heading();
                self.question(&question, &answer, None)
            }
            text @ (Block::Paragraph(_)
            | Block::ListItem(_)
            | Block::Code(_)
            | Block::TableRow(_)
            | Block::TableEnd) => self.text_block(text),
        }
    }

    fn progress(&mut self, done: u64, total: u64) -> Result<(), KnowledgeError> {
        self.output.progress(done, total)
    }

    fn warn(&mut self, warning: Notice) {
        self.output.warn(warning);
    }

    fn begin_member(&mut self, name: &str, window: (u64, u64, u64)) {
        self.output.member = Some(name.to_owned());
        self.output.window = Some(window);
    }

    fn end_member(&mut self) -> Result<Option<KnowledgeError>, KnowledgeError> {
        self.end()?;
        let problems = self.output.take_problems();
        self.output.member = None;
        self.output.window = None;
        Ok(problems)
    }

    fn known_columns(&self, header: &[String]) -> usize {
        let (spec, columns) = (self.output.spec, self.output.columns);
        header.iter().filter(|it| rows::target(spec, columns, it).is_some()).count()
    }
}
