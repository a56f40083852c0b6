//! `spreadsheet`: tables in and out. CSV (`text`) and XLSX (`xlsx`) become the same rows of typed cells (`cell`, `table`).

mod cell;
mod date;
mod table;
mod text;
mod xlsx;

use parlour_plugin_sdk::plugin;

/// Reads CSV and XLSX into rows, and writes rows as CSV and XLSX.
#[plugin(
    id = "spreadsheet",
    title(en = "Spreadsheets", zh = "电子表格"),
    zh = "读取 CSV 和 XLSX 表格，也可把数据写成 CSV 或 XLSX 文件。",
    icon = "icon.svg"
)]
mod sheets {
    use base64::Engine as _;
    use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
    use base64::{alphabet, engine::DecodePaddingMode};
    use parlour_plugin_sdk::prelude::*;

    use crate::cell::Kind;
    use crate::table::{Given, Sheet, Table};
    use crate::xlsx::{Page, Workbook};
    use crate::{text, xlsx};

    /// With rows of a hundred characters this is what fits into an answer.
    const MAX_ROWS: usize = 20_000;
    /// Tables of people are narrower.
    const MAX_COLUMNS: usize = 500;
    const MAX_SHEETS: usize = 50;
    /// The longest text of a cell, and the longest name of a sheet, in Excel.
    const MAX_CELL: usize = 32_767;
    const MAX_NAME: usize = 31;
    /// Old Excel files, and new ones with a password.
    const COMPOUND: [u8; 4] = [0xd0, 0xcf, 0x11, 0xe0];
    const ZIP: [u8; 2] = *b"PK";
    /// With or without padding, as files arrive.
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Read {
        /// The table as text (CSV)
        #[zh("CSV 文本")]
        pub(crate) text: Option<String>,
        /// The file in Base64: XLSX, or CSV in any encoding; a `data:` address will do
        #[zh("Base64 编码的文件：XLSX，或任意编码的 CSV；也可以是 `data:` 地址")]
        pub(crate) base64: Option<String>,
        /// Which sheet of a workbook; the first when not given
        #[zh("要读取的工作表名称；不填则读取第一个")]
        pub(crate) sheet: Option<String>,
        /// Whether the first row has the columns' names; else rows are lists
        #[zh("第一行是否为列名；否则每行以列表返回")]
        #[serde(default = "yes")]
        pub(crate) header: bool,
        /// Rows with values to leave out at the top, before the header
        #[zh("表头之前要跳过的非空行数")]
        #[serde(default)]
        pub(crate) skip_rows: usize,
        /// Most rows to give, 1 to 20000
        #[zh("最多返回多少行，1 到 20000")]
        #[serde(default = "thousand")]
        #[schemars(range(min = 1, max = 20_000))]
        pub(crate) max_rows: usize,
        /// Whether columns of a CSV that have only numbers, or only true and false, become those
        #[zh("CSV 中全为数字或全为 true/false 的列是否转换类型")]
        #[serde(default = "yes")]
        pub(crate) typed: bool,
        /// What stands between a CSV's cells; found out when not given
        #[zh("CSV 的分隔符；不填则自动识别")]
        pub(crate) separator: Option<char>,
    }

    fn yes() -> bool {
        true
    }

    fn thousand() -> usize {
        1_000
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Content {
        /// `csv` or `xlsx`
        #[zh("`csv` 或 `xlsx`")]
        format: Format,
        /// Names of all sheets; empty for a CSV
        #[zh("所有工作表的名称；CSV 为空")]
        sheets: Vec<String>,
        /// The sheet that was read
        #[zh("读取的工作表")]
        #[serde(skip_serializing_if = "Option::is_none")]
        sheet: Option<String>,
        columns: Vec<Column>,
        /// Objects by column name, or lists without a header. Dates are `2026-11-27` or `2026-11-27T10:15:00`
        #[zh("以列名为键的对象；没有表头时为列表。日期写作 `2026-11-27` 或 `2026-11-27T10:15:00`")]
        rows: Vec<Value>,
        /// How many rows with values there are below the header, also those that are not given
        #[zh("表头以下的非空行总数，包括没有返回的")]
        total_rows: usize,
        /// Whether there are more rows or columns than are given
        #[zh("是否还有没有返回的行或列")]
        truncated: bool,
    }

    #[derive(Clone, Copy, Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Format {
        Csv,
        Xlsx,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Column {
        name: String,
        kind: Kind,
    }

    /// Reads a table from CSV or XLSX: its columns with names and kinds, and its rows with numbers, texts, dates and truth values.
    /// Rows without any value are left out; formulas are read as their last result.
    #[tool(
        title(en = "Read a table", zh = "读取表格"),
        zh = "读取 CSV 或 XLSX 表格，返回列名、列类型和各行数据（数字、文本、日期、布尔值）。空行会跳过；公式读取其最后的计算结果。"
    )]
    #[example(
        title(en = "A CSV", zh = "CSV 文本"),
        input = {"text": "菜名,价格\n水煮鱼,68\n白粥,6.5\n"},
        output = {
            "format": "csv", "sheets": [], "columns": [{"name": "菜名", "kind": "text"}, {"name": "价格", "kind": "number"}],
            "rows": [{"菜名": "水煮鱼", "价格": 68}, {"菜名": "白粥", "价格": 6.5}], "total_rows": 2, "truncated": false
        }
    )]
    fn read(input: Read) -> Result<Content> {
        let Read { text, base64, sheet, header, skip_rows, max_rows, typed, separator } = input;
        if !(1..=MAX_ROWS).contains(&max_rows) {
            return Err(Error::InvalidInput(format!("`max_rows` is {max_rows}; it goes from 1 to {MAX_ROWS}")));
        }
        if separator.is_some_and(|separator| !separator.is_ascii() || separator == '"' || separator == '\n') {
            return Err(Error::invalid_input("`separator` is one ASCII character, and no quotation mark"));
        }
        let head = skip_rows.saturating_add(usize::from(header));
        let kept = max_rows.saturating_add(head);
        let source = match (text, base64) {
            (Some(text), None) => Source::Text(text),
            (None, Some(base64)) => Source::of(decoded(&base64)?)?,
            (Some(_), Some(_)) | (None, None) => return Err(Error::invalid_input("give either `text` or `base64`")),
        };
        let (format, sheets, sheet, found) = match source {
            Source::Workbook(bytes) => {
                let workbook = Workbook::open(&bytes)?;
                let (name, found) = workbook.sheet(sheet.as_deref(), kept, MAX_COLUMNS)?;
                (Format::Xlsx, workbook.names(), Some(name), found)
            }
            Source::Text(text) => {
                let mut found = text::read(&text, separator, kept, MAX_COLUMNS)?;
                if typed {
                    text::typed(&mut found.rows, head);
                }
                (Format::Csv, Vec::new(), None, found)
            }
        };
        let Sheet { mut rows, total, cut } = found;
        let rows = rows.split_off(skip_rows.min(rows.len()));
        let total_rows = total.saturating_sub(head);
        let Table { columns, rows } = Table::of(rows, header);
        let columns = columns.into_iter().map(|(name, kind)| Column { name, kind }).collect();
        Ok(Content { format, sheets, sheet, columns, truncated: cut || total_rows > rows.len(), rows, total_rows })
    }

    /// The bytes of a file; also with line breaks, and as a `data:` address.
    fn decoded(base64: &str) -> Result<Vec<u8>> {
        let base64 = base64.trim();
        let base64 = match base64.strip_prefix("data:") {
            Some(address) => address.split_once("base64,").map_or("", |(_, data)| data),
            None => base64,
        };
        let plain: String = base64.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let bytes =
            BASE64.decode(plain).map_err(|error| Error::InvalidInput(format!("`base64` cannot be read: {error}")))?;
        if bytes.is_empty() {
            return Err(Error::invalid_input("`base64` is empty"));
        }
        Ok(bytes)
    }

    /// What a table is read from.
    enum Source {
        Text(String),
        Workbook(Vec<u8>),
    }

    impl Source {
        /// By what a file begins with; its name says nothing here.
        fn of(bytes: Vec<u8>) -> Result<Self> {
            if bytes.starts_with(&ZIP) {
                return Ok(Self::Workbook(bytes));
            }
            if bytes.starts_with(&COMPOUND) {
                return Err(Error::invalid_input(
                    "this is an old .xls file, or one with a password; save it as .xlsx without one, or as CSV",
                ));
            }
            let text = text::decode(&bytes);
            if text.contains('\0') {
                return Err(Error::invalid_input("this is neither an XLSX file nor a text"));
            }
            Ok(Self::Text(text))
        }
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct CsvFile {
        text: String,
        /// The same as a file, with the mark by which Excel knows UTF-8
        #[zh("同样内容的文件，带 UTF-8 标记，可直接用 Excel 打开")]
        base64: String,
        /// Rows without the header
        #[zh("不含表头的行数")]
        rows: usize,
    }

    /// Writes rows as CSV. Texts that a spreadsheet would run as formulas get an apostrophe before them.
    #[tool(
        title(en = "Write CSV", zh = "写成 CSV"),
        zh = "把数据写成 CSV。会被表格软件当作公式执行的文本，前面加单引号。"
    )]
    #[example(
        title(en = "Two rows", zh = "两行"),
        input = {"rows": [{"name": "a", "n": 1}, {"name": "=b", "n": null}]},
        output = {"text": "name,n\na,1\n'=b,\n", "base64": "77u/bmFtZSxuCmEsMQonPWIsCg==", "rows": 2}
    )]
    fn write_csv(
        /** Objects, or lists */
        #[zh("对象或列表")]
        rows: Vec<Value>,
        /** Which columns, in this order; all keys of the objects when not given */
        #[zh("列名及顺序；不填则为对象的所有键")]
        columns: Option<Vec<String>>,
        /** What stands between cells */
        #[zh("分隔符")]
        #[serde(default = "comma")]
        separator: char,
        /** Whether texts that look like formulas are made harmless */
        #[zh("是否让形似公式的文本不被执行")]
        #[serde(default = "yes")]
        safe: bool,
    ) -> Result<CsvFile> {
        let given = given("", rows, columns)?;
        let text = text::write(&given, separator, safe)?;
        let base64 = BASE64.encode(format!("\u{feff}{text}"));
        Ok(CsvFile { text, base64, rows: given.rows.len() })
    }

    fn comma() -> char {
        ','
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct NewSheet {
        /// At most 31 characters, without `[ ] : * ? / \`
        #[zh("工作表名称，最多 31 字，不能含 `[ ] : * ? / \\`")]
        name: String,
        /// Objects, or lists
        #[zh("对象或列表")]
        rows: Vec<Value>,
        /// Which columns, in this order; all keys of the objects when not given
        #[zh("列名及顺序；不填则为对象的所有键")]
        columns: Option<Vec<String>>,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct XlsxFile {
        /// The file
        #[zh("文件内容")]
        base64: String,
        media_type: String,
        /// Size of the file
        #[zh("文件大小")]
        bytes: usize,
    }

    /// Writes rows as an XLSX workbook with one or several sheets. Headers are bold and stay in view; numbers with more than 15
    /// digits stay texts, so that none of them is lost.
    #[tool(
        title(en = "Write XLSX", zh = "写成 XLSX"),
        zh = "把数据写成 XLSX 工作簿，可含多个工作表。表头加粗并冻结；超过 15 位的数字按文本写入，以免丢失精度。"
    )]
    #[example(
        title(en = "One sheet", zh = "一个工作表"),
        input = {"sheets": [{"name": "菜单", "rows": [{"菜名": "水煮鱼", "价格": 68, "上架": "2026-11-27"}]}]}
    )]
    fn write_xlsx(
        /** The workbook's sheets, in this order */
        #[zh("工作簿里的工作表，按此顺序")]
        sheets: Vec<NewSheet>,
        /** Whether texts such as `2026-11-27` and `2026-11-27 10:15` become dates */
        #[zh("`2026-11-27`、`2026-11-27 10:15` 这样的文本是否写成日期")]
        #[serde(default = "yes")]
        dates: bool,
    ) -> Result<XlsxFile> {
        let mut problems = Vec::new();
        if sheets.is_empty() || sheets.len() > MAX_SHEETS {
            problems.push(format!("there are {} sheets; a workbook has 1 to {MAX_SHEETS} here", sheets.len()));
        }
        let mut pages: Vec<Page> = Vec::new();
        for NewSheet { name, rows, columns } in sheets {
            let name = name.trim().to_owned();
            let length = name.encode_utf16().count();
            if length == 0
                || length > MAX_NAME
                || name.contains(['[', ']', ':', '*', '?', '/', '\\'])
                || name.starts_with('\'')
            {
                problems
                    .push(format!("`{name}` is no sheet's name: 1 to {MAX_NAME} characters without `[ ] : * ? / \\`"));
            }
            if pages.iter().any(|page| page.name.to_lowercase() == name.to_lowercase()) {
                problems.push(format!("there are two sheets `{name}`"));
            }
            match given(&format!("sheet `{name}`, "), rows, columns) {
                Ok(given) => pages.push(Page { name, given, dates }),
                Err(error) => problems.push(error.to_string().trim_start_matches("invalid input: ").to_owned()),
            }
        }
        if !problems.is_empty() {
            return Err(Error::InvalidInput(problems.join("; ")));
        }
        let file = xlsx::write(&pages);
        let media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned();
        Ok(XlsxFile { base64: BASE64.encode(&file), media_type, bytes: file.len() })
    }

    /// Rows within the limits of both formats.
    fn given(place: &str, rows: Vec<Value>, columns: Option<Vec<String>>) -> Result<Given> {
        let count = rows.len();
        let given = Given::of(rows, columns, MAX_COLUMNS)
            .map_err(|problem| Error::InvalidInput(format!("{place}{problem}")))?;
        let width = given.rows.iter().map(Vec::len).chain(given.header.iter().map(Vec::len)).max().unwrap_or(0);
        if count > MAX_ROWS || width > MAX_COLUMNS {
            return Err(Error::InvalidInput(format!(
                "{place}{count} rows of {width} columns are too many; at most {MAX_ROWS} of {MAX_COLUMNS} are written"
            )));
        }
        for (number, row) in (1..).zip(&given.rows) {
            let long = row.iter().filter_map(Value::as_str).find(|text| text.encode_utf16().count() > MAX_CELL);
            if let Some(text) = long {
                let length = text.encode_utf16().count();
                return Err(Error::InvalidInput(format!(
                    "{place}row {number} has a text of {length} characters; a cell takes {MAX_CELL}"
                )));
            }
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests;
