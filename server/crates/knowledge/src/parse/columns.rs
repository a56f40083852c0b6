//! What a file's columns are, and what fields they could be, from its first rows: so that somebody can say what is what
//! before anything is stored.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

use super::block::{Block, Blocks, question_columns};
use super::{format, guarded, read_format, rows, source, value};
use crate::error::KnowledgeError;
use crate::notice::Notice;
use crate::spec::{BaseSpec, FieldKind, FieldSpec, RESERVED_FIELDS};

/// Enough to tell a keyword from a text, and read in no time.
const ROWS: usize = 200;
const SAMPLES: usize = 5;
const SAMPLE_CHARS: usize = 80;
/// A file with so much text before its first table is a text.
const TEXT_BLOCKS: usize = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnsKind {
    /// Every row becomes a record.
    Table,
    /// It has no columns; its passages become records.
    Text,
    /// Every row is a question with its answer.
    Questions,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Columns {
    pub columns: Vec<ColumnFound>,
    pub kind: ColumnsKind,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnFound {
    pub header: String,
    pub samples: Vec<String>,
    /// The base's field that the column would be read into, going by its name.
    pub field: Option<String>,
    pub suggestion: Suggestion,
}

/// A field that would fit the column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: FieldKind,
    pub embed: bool,
    pub filter: bool,
    pub show: bool,
    pub title: Option<String>,
}

/// Looks at a file's beginning. Nothing is stored.
///
/// # Errors
/// As [`super::read_records`], for a file of which not even the beginning can be read.
pub fn columns_of(file: &Path, name: &str, spec: &BaseSpec) -> Result<Columns, KnowledgeError> {
    let source = source::Source::of_file(file).map_err(|error| source::unreadable(name, &error))?;
    super::check_size(&source, name)?;
    guarded(name, || {
        let mut sampler = Sampler { spec, header: Vec::new(), rows: Vec::new(), blocks: 0, kind: None, failed: None };
        let (format, _) = format::recognise(&source, name, None)?;
        // The files of an archive have columns of their own.
        if format != format::Format::Zip
            && let Err(error) = read_format(&source, name, format, &mut sampler)
            && !matches!(error, KnowledgeError::Stopped { .. })
        {
            return Err(error);
        }
        if let Some(message) = sampler.failed.filter(|_| sampler.rows.is_empty()) {
            let hint = "mend the file and upload it again".to_owned();
            return Err(KnowledgeError::UnreadableFile { file: name.to_owned(), message, hint });
        }
        let mut taken = BTreeSet::new();
        let columns: Vec<ColumnFound> = sampler
            .header
            .iter()
            .enumerate()
            .map(|(at, header)| {
                let values: Vec<&str> = sampler
                    .rows
                    .iter()
                    .filter_map(|it| it.get(at).map(|it| it.trim()).filter(|it| !it.is_empty()))
                    .collect();
                column(at, header, &values, spec, &mut taken)
            })
            .collect();
        let is_faq = spec.fields.is_empty() && question_columns(&sampler.header).is_some();
        let kind = match sampler.kind {
            Some(kind) if columns.is_empty() => kind,
            _ if is_faq => ColumnsKind::Questions,
            _ if columns.is_empty() => ColumnsKind::Text,
            _ => ColumnsKind::Table,
        };
        Ok(Columns { columns, kind })
    })
}

struct Sampler<'a> {
    spec: &'a BaseSpec,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    blocks: usize,
    kind: Option<ColumnsKind>,
    failed: Option<String>,
}

impl Sampler<'_> {
    fn object(&mut self, object: &Map<String, Value>) {
        /// More members than this are no columns.
        const MOST: usize = 200;
        for name in object.keys() {
            if self.header.len() < MOST && !self.header.contains(name) {
                self.header.push(name.clone());
            }
        }
        let row = self.header.iter().map(|it| object.get(it).map(value::readable).unwrap_or_default()).collect();
        self.rows.push(row);
    }
}

impl Blocks for Sampler<'_> {
    fn block(&mut self, block: Block) -> Result<(), KnowledgeError> {
        let enough = || Err(KnowledgeError::Stopped { file: String::new() });
        match block {
            Block::SheetHeader { cells, .. } => {
                if !self.header.is_empty() {
                    return enough();
                }
                self.header = cells;
            }
            Block::SheetRow { cells, .. } => self.rows.push(cells),
            Block::Object { object, .. } => self.object(&object),
            Block::Broken { notice, .. } => self.failed = self.failed.take().or(Some(notice.message)),
            Block::Question { .. } => {
                self.kind = Some(ColumnsKind::Questions);
                return enough();
            }
            Block::TableHeader(cells) => {
                if question_columns(&cells).is_some() {
                    self.kind = Some(ColumnsKind::Questions);
                    return enough();
                }
                self.blocks += 1;
            }
            Block::Heading { .. }
            | Block::Paragraph(_)
            | Block::ListItem(_)
            | Block::Code(_)
            | Block::TableRow(_)
            | Block::TableEnd => self.blocks += 1,
            Block::Page(_) | Block::Part(_) => {}
        }
        if self.rows.len() >= ROWS || (self.header.is_empty() && self.blocks >= TEXT_BLOCKS) {
            enough()
        } else {
            Ok(())
        }
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), KnowledgeError> {
        Ok(())
    }

    fn warn(&mut self, _: Notice) {}

    fn known_columns(&self, header: &[String]) -> usize {
        header.iter().filter(|it| rows::field_of(self.spec, it).is_some()).count()
    }

    fn begin_member(&mut self, _: &str, _: (u64, u64, u64)) {}

    fn end_member(&mut self) -> Result<Option<KnowledgeError>, KnowledgeError> {
        Ok(None)
    }
}

fn column(at: usize, header: &str, values: &[&str], spec: &BaseSpec, taken: &mut BTreeSet<String>) -> ColumnFound {
    let name = name_of(at, header, taken);
    let kind = kind_of(values);
    let usual = FieldSpec::new(&name, kind);
    let title = Some(header.trim().to_owned()).filter(|it| !it.is_empty() && *it != name);
    // Addresses are shown and not searched by meaning.
    let is_link = !values.is_empty() && values.iter().all(|it| it.starts_with("http://") || it.starts_with("https://"));
    let mut samples: Vec<String> = Vec::new();
    for value in values {
        let short: String = value.chars().take(SAMPLE_CHARS).collect();
        if samples.len() < SAMPLES && !samples.contains(&short) {
            samples.push(short);
        }
    }
    ColumnFound {
        header: header.to_owned(),
        samples,
        field: rows::field_of(spec, header).map(|it| it.name.clone()),
        suggestion: Suggestion {
            name,
            kind,
            embed: usual.embed && !is_link,
            filter: usual.filter,
            show: usual.show,
            title,
        },
    }
}

/// What the most frequent Chinese headers are called; any other gets a number, and its words as the title.
const USUAL_NAMES: &[(&[&str], &str)] = &[
    (&["名称", "姓名", "名字", "品名", "商品名称", "产品名称", "菜名"], "name"),
    (&["标题", "题目"], "title"),
    (&["价格", "单价", "售价"], "price"),
    (&["分类", "类别", "类目", "品类"], "category"),
    (&["类型"], "type"),
    (&["描述", "简介", "介绍", "说明"], "description"),
    (&["内容", "正文"], "content"),
    (&["日期"], "date"),
    (&["时间"], "time"),
    (&["数量"], "quantity"),
    (&["库存"], "stock"),
    (&["备注"], "note"),
    (&["编号", "编码", "代码"], "code"),
    (&["型号"], "model"),
    (&["品牌"], "brand"),
    (&["地址"], "address"),
    (&["电话", "联系电话"], "phone"),
    (&["标签"], "tags"),
    (&["状态"], "status"),
    (&["部门"], "department"),
    (&["作者"], "author"),
    (&["链接", "网址"], "url"),
    (&["问题"], "question"),
    (&["答案"], "answer"),
];

/// A name that a field can have, and no other column has.
fn name_of(at: usize, header: &str, taken: &mut BTreeSet<String>) -> String {
    const LONGEST: usize = 40;
    let narrow: String = header.nfkc().flat_map(char::to_lowercase).collect();
    let narrow = narrow.trim();
    // `价格（元）` is a price.
    let bare = narrow.split(['(', '[', '【']).next().unwrap_or_default().trim();
    let usual = USUAL_NAMES.iter().find(|(headers, _)| headers.contains(&bare)).map(|(_, name)| (*name).to_owned());
    let spelled = || {
        if narrow.chars().any(|it| !it.is_ascii() && it.is_alphanumeric()) {
            return None;
        }
        let words: Vec<&str> =
            narrow.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty()).collect();
        let mut name = words.join("_");
        name.truncate(LONGEST);
        let name = name.trim_end_matches('_').to_owned();
        name.starts_with(|it: char| it.is_ascii_lowercase()).then_some(name)
    };
    let mut name = usual.or_else(spelled).unwrap_or_else(|| format!("column_{}", at + 1));
    if RESERVED_FIELDS.contains(&name.as_str()) {
        name.push_str("_value");
    }
    let mut unique = name.clone();
    let mut number = 2;
    while !taken.insert(unique.clone()) {
        unique = format!("{name}_{number}");
        number += 1;
    }
    unique
}

fn kind_of(values: &[&str]) -> FieldKind {
    const SHORT: usize = 20;
    if values.is_empty() {
        return FieldKind::Text;
    }
    // `007` and a telephone number are names made of digits.
    let is_code = |it: &str| {
        let digits = it.bytes().all(|it| it.is_ascii_digit());
        digits && ((it.len() > 1 && it.starts_with('0')) || it.len() > 10)
    };
    let are_codes = values.iter().any(|it| is_code(it));
    if !are_codes && values.iter().all(|it| value::number(it).is_ok()) {
        return FieldKind::Number;
    }
    if values.iter().all(|it| value::boolean(it).is_ok()) && !are_codes {
        return FieldKind::Boolean;
    }
    if values.iter().all(|it| value::date(it).is_ok()) {
        return FieldKind::Date;
    }
    let short = values.iter().all(|it| it.chars().count() <= SHORT);
    let lists = values.iter().filter(|it| it.contains(['、', '|', '；', ';']) && value::list(it).len() > 1).count();
    let are_items = values.iter().flat_map(|it| value::list(it)).all(|it| it.chars().count() <= SHORT);
    if lists * 3 >= values.len() && are_items && !values.iter().any(|it| it.contains(['。', '.'])) {
        return FieldKind::List;
    }
    let distinct: BTreeSet<&&str> = values.iter().collect();
    if short && (are_codes || distinct.len() * 2 <= values.len()) { FieldKind::Keyword } else { FieldKind::Text }
}
