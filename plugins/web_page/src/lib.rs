//! `web_page`: a page as a person would read it. Fetching and its guards are the server's; here are the characters
//! (`charset`), the tree (`tree`), which part is the text (`article`), and how it is written down (`render`).

mod address;
mod article;
mod charset;
mod render;
mod tree;

use parlour_plugin_sdk::plugin;

/// Reads a web page and gives its title, its text as Markdown or plain text, and its links.
#[plugin(
    id = "web_page",
    title(en = "Read a web page", zh = "读取网页"),
    zh = "读取网页，返回标题、正文（Markdown 或纯文本）和链接。",
    icon = "icon.svg",
    http(
        host = "*",
        methods("GET"),
        en = "Reads the page that the workflow names. Grant only some hosts if workflows shall read only those.",
        zh = "读取工作流指定的网页。若只允许读取某些网站，请只授权这些主机。"
    )
)]
mod page {
    use std::time::Duration;

    use parlour_plugin_sdk::http::Response;
    use parlour_plugin_sdk::prelude::*;

    use crate::render::{Format, Link, Renderer, collapsed};
    use crate::tree::Element;
    use crate::{address, article, charset, tree};

    /// A site that takes longer is down for a visitor.
    const PATIENCE: Duration = Duration::from_secs(20);
    /// Pages of text are smaller; what is longer is cut, because the processor time of a call is short.
    const MAX_PAGE_BYTES: usize = 2 << 20;
    const MAX_CHARACTERS: usize = 200_000;
    const MAX_LINKS: usize = 100;
    /// Some sites answer only those who say who they are.
    const USER_AGENT: &str = "Mozilla/5.0 (compatible; Parlour web_page)";
    const ACCEPT: &str =
        "text/html,application/xhtml+xml,text/plain;q=0.9,text/*;q=0.8,application/json;q=0.7,*/*;q=0.1";

    #[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Wanted {
        /// With headings, lists, tables and links
        #[default]
        Markdown,
        /// Plain text
        Text,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Read {
        /// Address of the page
        #[zh("网页地址")]
        #[schemars(length(min = 8, max = 8000))]
        pub(crate) url: String,
        /// How the text is written
        #[zh("正文格式：markdown 或 text 纯文本")]
        #[serde(default)]
        pub(crate) format: Wanted,
        /// Most characters of text to give, 100 to 200000
        #[zh("正文最多多少字符，100 到 200000")]
        #[serde(default = "default_characters")]
        #[schemars(range(min = 100, max = 200_000))]
        pub(crate) max_characters: usize,
        /// Everything on the page, menus and footers too, instead of only the article
        #[zh("是否返回整页内容，包括菜单和页脚；默认只返回正文")]
        #[serde(default)]
        pub(crate) whole_page: bool,
    }

    fn default_characters() -> usize {
        20_000
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Page {
        /// The last address, after redirects
        #[zh("重定向之后的最终地址")]
        pub(crate) url: String,
        pub(crate) title: String,
        /// The text, as Markdown or plain
        #[zh("正文")]
        pub(crate) text: String,
        /// Whether the text was longer than asked for
        #[zh("正文是否因超过长度而被截断")]
        pub(crate) truncated: bool,
        /// The page's own summary
        #[zh("网页自带的摘要")]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) description: Option<String>,
        /// When it was published, as the page says
        #[zh("网页注明的发布时间")]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) published: Option<String>,
        /// Language, as the page says
        #[zh("网页注明的语言")]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) language: Option<String>,
        /// Links in the text, at most 100
        #[zh("正文里的链接，最多 100 个")]
        pub(crate) links: Vec<PageLink>,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct PageLink {
        pub(crate) text: String,
        pub(crate) url: String,
    }

    /// Reads a web page and gives its title, its article as Markdown or plain text, and the links in it. Pages that are made
    /// by scripts in the browser have little to read; files such as PDF are refused.
    #[tool(
        title(en = "Read a web page", zh = "读取网页"),
        zh = "读取网页，返回标题、正文（Markdown 或纯文本）和正文里的链接。由浏览器脚本生成的网页可读内容很少；不支持 PDF 等文件。"
    )]
    #[example(title(en = "An article", zh = "一篇文章"), input = {"url": "https://www.rust-lang.org/learn"})]
    #[example(title(en = "The first 2000 characters, plain", zh = "纯文本，前 2000 字符"), input = {"url": "https://example.com/", "format": "text", "max_characters": 2000})]
    fn read(input: Read) -> Result<Page> {
        let Read { url, format, max_characters, whole_page } = input;
        let url = url.trim();
        let mut problems = Vec::new();
        if !address::is_web(url) {
            problems.push(format!("`url` is `{url}`; it begins with `https://` or `http://`"));
        }
        if !(100..=MAX_CHARACTERS).contains(&max_characters) {
            problems.push(format!("`max_characters` is {max_characters}; it goes from 100 to {MAX_CHARACTERS}"));
        }
        if !problems.is_empty() {
            return Err(Error::InvalidInput(problems.join("; ")));
        }
        let request = http::get(url).header("User-Agent", USER_AGENT).header("Accept", ACCEPT).timeout(PATIENCE);
        let response = request.send()?.error_for_status()?;
        let kind = kind_of(&response)?;
        let longer = response.body.len() > MAX_PAGE_BYTES;
        let bytes = response.body.get(..MAX_PAGE_BYTES).unwrap_or(&response.body);
        let (source, _) = charset::decode(bytes, response.header("Content-Type").unwrap_or_default());
        let mut page = match kind {
            Kind::Page => converted(&source, response.url, format, whole_page),
            Kind::Text => plain(source, response.url),
        };
        page.truncated |= cut(&mut page.text, max_characters) || longer;
        Ok(page)
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Kind {
        Page,
        Text,
    }

    /// What the answer is, by what it says; one that says nothing is looked at.
    fn kind_of(response: &Response) -> Result<Kind> {
        let said = response.header("Content-Type").unwrap_or_default();
        let said = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if said.contains("html") {
            return Ok(Kind::Page);
        }
        let ends = |end: &str| said.ends_with(end);
        if said.starts_with("text/") || ["json", "xml", "yaml", "javascript", "markdown"].iter().any(|end| ends(end)) {
            return Ok(Kind::Text);
        }
        let beginning = response.body.get(..response.body.len().min(512)).unwrap_or_default();
        if said.is_empty() && !beginning.contains(&0) {
            return Ok(if beginning.contains(&b'<') { Kind::Page } else { Kind::Text });
        }
        let said = if said.is_empty() { "a file" } else { said.as_str() };
        Err(Error::InvalidInput(format!("`{}` is {said}, no page; only pages and texts are read", response.url)))
    }

    fn plain(text: String, url: String) -> Page {
        let title = url.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default().to_owned();
        let (text, links) = (text.trim().to_owned(), Vec::new());
        Page { url, title, text, truncated: false, description: None, published: None, language: None, links }
    }

    fn converted(source: &str, url: String, format: Wanted, whole_page: bool) -> Page {
        let (root, complete) = tree::read(source);
        let about = About::of(&root, &url);
        let format = match format {
            Wanted::Markdown => Format::Markdown,
            Wanted::Text => Format::Text,
        };
        let mut renderer = Renderer::new(format, about.base.as_deref().unwrap_or(&url), whole_page);
        let text = renderer.blocks(if whole_page { &root } else { article::find(&root) }).join("\n\n");
        let links = renderer.links.into_iter().take(MAX_LINKS);
        let links = links.map(|Link { text, url }| PageLink { text, url }).collect();
        let About { title, description, published, language, base: _ } = about;
        let title = title.unwrap_or_default();
        Page { url, title, text, truncated: !complete, description, published, language, links }
    }

    /// What a page says about itself.
    #[derive(Default)]
    struct About {
        title: Option<String>,
        description: Option<String>,
        published: Option<String>,
        language: Option<String>,
        /// What its links start from, where that is not its address.
        base: Option<String>,
    }

    impl About {
        fn of(root: &Element, url: &str) -> Self {
            let mut about = Self::default();
            let (mut heading, mut social) = (None, None);
            let keep = |slot: &mut Option<String>, text: &str| {
                let text = collapsed(text);
                if slot.is_none() && !text.is_empty() {
                    *slot = Some(text);
                }
            };
            root.visit(&mut |element| match element.name.as_str() {
                "title" => keep(&mut about.title, &element.text()),
                "h1" => keep(&mut heading, &element.text()),
                "html" | "body" => keep(&mut about.language, element.attribute("lang").unwrap_or_default()),
                "base" => {
                    let base = element.attribute("href").and_then(|base| address::join(url, base));
                    about.base = about.base.take().or(base);
                }
                "meta" => {
                    let content = element.attribute("content").unwrap_or_default();
                    match element.attribute("property").or_else(|| element.attribute("name")).unwrap_or_default() {
                        "og:title" => keep(&mut social, content),
                        "description" | "og:description" => keep(&mut about.description, content),
                        "article:published_time" | "og:published_time" | "publishdate" | "pubdate" | "date" => {
                            keep(&mut about.published, content);
                        }
                        _ => {}
                    }
                }
                _ => {}
            });
            about.title = about.title.or(social).or(heading);
            about
        }
    }

    /// Cuts a text, at the end of a paragraph or a line if there is one near; says whether it did.
    fn cut(text: &mut String, most: usize) -> bool {
        let Some((end, _)) = text.char_indices().nth(most) else { return false };
        let kept = text.get(..end).unwrap_or_default();
        let near = |at: &usize| *at > end / 2;
        let at = kept.rfind("\n\n").filter(near).or_else(|| kept.rfind('\n').filter(near)).unwrap_or(end);
        text.truncate(at);
        text.truncate(text.trim_end().len());
        true
    }
}

#[cfg(test)]
mod tests;
