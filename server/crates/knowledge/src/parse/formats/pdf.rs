//! PDFs, page by page. A thread of its own interprets the pages, with a large stack and under a clock: a page on which the
//! interpreter loses itself is that document's error. What it draws is collected as letters with their places, and
//! [`layout`] makes lines and paragraphs of them.

mod layout;
mod streams;

use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use hayro_interpret::font::GlyphRun;
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::kurbo::{BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, RenderContent, SoftMask, TransformExt as _, interpret_page,
};

use super::Input;
use crate::error::KnowledgeError;
use crate::notice::notice;
use crate::parse::block::{Block, Blocks};
use crate::parse::format::encrypted;
use crate::parse::source::unreadable;
use layout::{Glyph, Layout, PageText};

/// The whole file is in memory while it is read, since a PDF is read from its end.
const MAX_FILE_BYTES: u64 = 256 << 20;
const MAX_PAGES: usize = 20_000;
/// A page of a newspaper has 30,000 letters.
const MAX_GLYPHS: usize = 400_000;
/// A page is a matter of milliseconds; drawings of a city take a second or two.
const PAGE_TIME: Duration = Duration::from_secs(30);
/// Cross references of a damaged file are searched for in all of it.
const OPEN_TIME: Duration = Duration::from_secs(60);
/// Fonts and forms lie in each other, and the interpreter calls itself for each.
const STACK: usize = 16 << 20;
/// The interpreter keeps every page's content; after so many, the file is opened anew.
const PAGES_PER_OPENING: usize = 64;
/// Pages that are looked at before the first is told: which size letters have, and which lines stand on every page.
const PAGES_AHEAD: usize = 8;

pub(crate) fn read(input: &Input<'_>, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    let length = input.source.length();
    if length > MAX_FILE_BYTES {
        return Err(KnowledgeError::TooLarge {
            file: input.name.to_owned(),
            message: format!("a PDF can have {} MB, and it has {}", MAX_FILE_BYTES >> 20, length >> 20),
            hint: "split it into several files, or save it with smaller pictures".to_owned(),
        });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let mut reader = input.source.open().map_err(|error| unreadable(input.name, &error))?;
    reader.read_to_end(&mut bytes).map_err(|error| unreadable(input.name, &error))?;
    drop(reader);
    streams::refuse_bombs(&bytes, input.name)?;
    refuse_cut_off(&bytes, input.name)?;
    let stopped = Arc::new(AtomicBool::new(false));
    let _stop = StopWhenDropped(stopped.clone());
    let (sender, receiver) = sync_channel(PAGES_AHEAD);
    let bytes = Arc::new(bytes);
    std::thread::Builder::new()
        .name("pdf".to_owned())
        .stack_size(STACK)
        .spawn(move || interpret(&bytes, &stopped, &sender))
        .map_err(|error| unreadable(input.name, &error))?;
    receive(input, &receiver, blocks)
}

/// A PDF is read from its end. Pages can be searched for without one, but then nobody knows how many are missing.
fn refuse_cut_off(bytes: &[u8], file: &str) -> Result<(), KnowledgeError> {
    const LOOKED_AT: usize = 64 << 10;
    let end = bytes.get(bytes.len().saturating_sub(LOOKED_AT)..).unwrap_or_default();
    if end.windows(9).any(|it| it == b"startxref") { Ok(()) } else { Err(damaged(file, "its end is missing")) }
}

/// Tells the interpreting thread that nobody listens any more.
struct StopWhenDropped(Arc<AtomicBool>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

enum Message {
    Opened {
        pages: usize,
    },
    Failed(LoadPdfError),
    /// None where the interpreter panicked.
    Page(Option<PageText>),
}

fn damaged(file: &str, message: &str) -> KnowledgeError {
    KnowledgeError::UnreadableFile {
        file: file.to_owned(),
        message: format!("the PDF is damaged: {message}"),
        hint:
            "it may not have been copied to its end: open it in a PDF viewer, print it into a new PDF, and upload that"
                .to_owned(),
    }
}

fn failed(file: &str, error: LoadPdfError) -> KnowledgeError {
    match error {
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm | DecryptionError::PasswordProtected) => {
            encrypted(file)
        }
        LoadPdfError::Decryption(DecryptionError::MissingIDEntry | DecryptionError::InvalidEncryption) => {
            damaged(file, "what it says about its password makes no sense")
        }
        LoadPdfError::Invalid => damaged(file, "its list of pages cannot be found"),
    }
}

fn receive(input: &Input<'_>, receiver: &Receiver<Message>, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    let mut all = 0usize;
    let mut layout = Layout::default();
    let mut pages = PageNumbers::default();
    let mut number = 0u32;
    let mut ahead = Vec::new();
    loop {
        let wait = if all == 0 { OPEN_TIME } else { PAGE_TIME };
        match receiver.recv_timeout(wait) {
            Ok(Message::Opened { pages }) if pages > MAX_PAGES => {
                return Err(KnowledgeError::TooLarge {
                    file: input.name.to_owned(),
                    message: format!("it has {pages} pages; at most {MAX_PAGES} are read"),
                    hint: "split it into several files and upload them one by one".to_owned(),
                });
            }
            Ok(Message::Opened { pages: 0 }) => return Err(damaged(input.name, "it has no pages")),
            Ok(Message::Opened { pages }) => all = pages,
            Ok(Message::Failed(error)) => return Err(failed(input.name, error)),
            Ok(Message::Page(page)) => {
                number += 1;
                pages.count(number, page.as_ref());
                let page = page.unwrap_or_default();
                layout.look_at(&page);
                ahead.push((number, page));
                if ahead.len() >= PAGES_AHEAD {
                    tell(&mut ahead, &mut layout, blocks)?;
                }
                blocks.progress(u64::from(number), all as u64)?;
            }
            Err(RecvTimeoutError::Timeout) => {
                let text = format!("page {} cannot be read in {} seconds", number + 1, wait.as_secs());
                return Err(damaged(input.name, &text));
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    tell(&mut ahead, &mut layout, blocks)?;
    if (number as usize) < all {
        return Err(damaged(input.name, &format!("nothing can be read behind page {number}")));
    }
    pages.judge(input.name, blocks)
}

fn tell(ahead: &mut Vec<(u32, PageText)>, layout: &mut Layout, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    for (number, page) in ahead.drain(..) {
        blocks.block(Block::Page(number))?;
        layout.blocks(page).into_iter().try_for_each(|it| blocks.block(it))?;
    }
    Ok(())
}

/// Which pages gave no text, and why.
#[derive(Default)]
struct PageNumbers {
    with_text: usize,
    pictures: Vec<u32>,
    broken: Vec<u32>,
    letters: usize,
    unknown: usize,
}

impl PageNumbers {
    fn count(&mut self, number: u32, page: Option<&PageText>) {
        let Some(page) = page else {
            self.broken.push(number);
            return;
        };
        self.letters += page.glyphs;
        self.unknown += page.unknown;
        if page.glyphs > page.unknown {
            self.with_text += 1;
        } else if page.pictures > 0 {
            self.pictures.push(number);
        }
    }

    fn judge(&self, file: &str, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
        let refused = |message: &str, hint: &str| {
            Err(KnowledgeError::WithoutText {
                file: file.to_owned(),
                message: message.to_owned(),
                hint: hint.to_owned(),
            })
        };
        if self.with_text == 0 {
            if self.unknown > 0 {
                return refused(
                    "its letters are drawn by fonts that do not say which letters they are",
                    "have its text recognised (OCR) first, or export it again with text that can be copied",
                );
            }
            if !self.pictures.is_empty() {
                return refused(
                    "it is scanned: its pages are pictures, and there is no text in them",
                    "have its text recognised (OCR) by a scanning program first, and upload the result",
                );
            }
            if !self.broken.is_empty() {
                return Err(damaged(file, "none of its pages can be read"));
            }
            return refused("there is no text on its pages", "check that it is the right file");
        }
        if !self.broken.is_empty() {
            let pages = ranges(&self.broken);
            blocks.warn(notice!("pages_damaged", "damaged pages were left out: {pages}", pages));
        }
        if !self.pictures.is_empty() {
            blocks.warn(notice!(
                "pages_without_text",
                "pages without text were left out: {pages}; if they are scanned, have their text recognised (OCR) first",
                pages = ranges(&self.pictures),
            ));
        }
        if self.unknown * 10 > self.letters {
            let share = self.unknown * 100 / self.letters.max(1);
            blocks.warn(notice!(
                "unknown_letters",
                "{share} % of its letters are drawn by fonts that do not say which letters they are",
                share,
            ));
        }
        Ok(())
    }
}

/// `1, 3–5`.
fn ranges(numbers: &[u32]) -> String {
    const SHOWN: usize = 20;
    let mut all: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match all.last_mut() {
            Some((_, to)) if *to + 1 == *number => *to = *number,
            Some(_) | None => all.push((*number, *number)),
        }
    }
    let mut words: Vec<String> =
        all.iter().take(SHOWN).map(|(a, b)| if a == b { a.to_string() } else { format!("{a}–{b}") }).collect();
    if all.len() > SHOWN {
        words.push("…".to_owned());
    }
    words.join(", ")
}

/// The other thread. It ends when nobody receives any more.
fn interpret(bytes: &Arc<Vec<u8>>, stopped: &AtomicBool, sender: &SyncSender<Message>) {
    let mut next = 0;
    let mut all = None;
    while all.is_none_or(|it| next < it) && !stopped.load(Ordering::Relaxed) {
        let opened = catch_unwind(AssertUnwindSafe(|| Pdf::new(bytes.clone())));
        let pdf = match opened.unwrap_or(Err(LoadPdfError::Invalid)) {
            Ok(pdf) => pdf,
            Err(error) => {
                let _ = sender.send(Message::Failed(error));
                return;
            }
        };
        let pages = catch_unwind(AssertUnwindSafe(|| pdf.pages().len())).unwrap_or(0);
        if all.is_none() {
            all = Some(pages);
            if sender.send(Message::Opened { pages }).is_err() {
                return;
            }
        }
        let end = (next + PAGES_PER_OPENING).min(pages);
        let cache = InterpreterCache::new();
        for at in next..end {
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            let page = catch_unwind(AssertUnwindSafe(|| page_text(&pdf, at, &cache, stopped)));
            if sender.send(Message::Page(page.ok())).is_err() {
                return;
            }
        }
        if end <= next {
            return;
        }
        next = end;
    }
}

fn page_text<'a>(pdf: &'a Pdf, at: usize, cache: &InterpreterCache<'a>, stopped: &AtomicBool) -> PageText {
    let Some(page) = pdf.pages().get(at) else { return PageText::default() };
    let (width, height) = page.render_dimensions();
    let transform = page.initial_transform(true).to_kurbo();
    // What annotations draw is beside the text: marks, stamps, form fields.
    let settings = InterpreterSettings { render_content: RenderContent::PAGE, ..InterpreterSettings::default() };
    let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let mut context = Context::new(transform, bounds, cache, pdf.xref(), settings);
    let mut collector = Collector { glyphs: Vec::new(), unknown: 0, pictures: 0, stopped };
    interpret_page(page, &mut context, &mut collector);
    let Collector { glyphs, unknown, pictures, .. } = collector;
    PageText::of(glyphs, (f64::from(width), f64::from(height)), unknown, pictures)
}

struct Collector<'a> {
    glyphs: Vec<Glyph>,
    unknown: usize,
    pictures: usize,
    stopped: &'a AtomicBool,
}

impl Collector<'_> {
    /// The interpreter cannot be asked to stop; it can be unwound, and the thread catches that.
    fn check(&self) {
        if self.stopped.load(Ordering::Relaxed) {
            resume_unwind(Box::new("nobody reads this page any more"));
        }
    }
}

impl Device<'_> for Collector<'_> {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, mode: &DrawMode) {
        self.check();
        for glyph in run.glyphs() {
            if self.glyphs.len() >= MAX_GLYPHS {
                return;
            }
            let place = props.transform * glyph.transform();
            let text = match glyph.as_unicode() {
                Some(BfString::Char(it)) => it.to_string(),
                Some(BfString::String(it)) => it,
                None => {
                    self.unknown += 1;
                    continue;
                }
            };
            let advance = match &**glyph {
                hayro_interpret::font::Glyph::Outline(it) => it.advance_width(),
                hayro_interpret::font::Glyph::Type3(it) => it.advance_width(),
            };
            let from = place * Point::ZERO;
            let to = place * Point::new(f64::from(advance.unwrap_or(500.0)), 0.0);
            // The em is a thousand units high.
            let up = place * Point::new(0.0, 1000.0);
            let size = (up.x - from.x).hypot(up.y - from.y);
            self.glyphs.extend(Glyph::new(text, from, to, size, matches!(mode, DrawMode::Stroke(_))));
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {
        self.check();
    }

    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {
        self.check();
        self.pictures += 1;
    }

    fn push_clip_path(&mut self, _: &ClipPath) {
        self.check();
    }

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}
}
