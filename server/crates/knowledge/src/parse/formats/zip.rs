//! Archives of documents: each is read as if it had been uploaded by itself, and its name is the part that its records come
//! from. A bad one is left out in words; an archive in which all are bad is refused.

use super::Input;
use crate::error::KnowledgeError;
use crate::notice::{Notice, notice};
use crate::parse::archive::{Archive, Member};
use crate::parse::block::Blocks;
use crate::parse::{format, guarded, read_format};

pub(crate) fn read(input: &Input<'_>, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    let mut archive = Archive::open(input.source, input.name)?;
    let members: Vec<Member> =
        archive.members()?.into_iter().filter(|it| !it.is_folder && !is_furniture(&it.name)).collect();
    if members.is_empty() {
        return Err(KnowledgeError::UnreadableFile {
            file: input.name.to_owned(),
            message: "there are no files in it".to_owned(),
            hint: "pack the documents again, and upload the archive again".to_owned(),
        });
    }
    if members.iter().all(|it| it.is_encrypted) {
        return Err(format::encrypted(input.name));
    }
    let all: u64 = members.iter().map(|it| it.size.max(1)).sum();
    let mut before = 0u64;
    let mut first_error: Option<KnowledgeError> = None;
    let mut read_any = false;
    for member in &members {
        let size = member.size.max(1);
        match read_member(&mut archive, member, (before, size, all), blocks) {
            Ok(()) => read_any = true,
            Err(error) if is_final(&error, input.name) => return Err(error),
            Err(error) => {
                blocks.warn(left_out(member, &error));
                first_error.get_or_insert(error);
            }
        }
        before = before.saturating_add(size);
        blocks.progress(before, all)?;
    }
    match first_error {
        Some(error) if !read_any => Err(KnowledgeError::UnreadableFile {
            file: input.name.to_owned(),
            message: format!("none of the {} files in it can be read; the first: {error}", members.len()),
            hint: error.hint().unwrap_or_else(|| "unpack it and upload the files one by one".to_owned()),
        }),
        Some(_) | None => Ok(()),
    }
}

fn left_out(member: &Member, error: &KnowledgeError) -> Notice {
    let member = member.name.as_str();
    let what = error.notice();
    match error.hint() {
        Some(hint) => notice!("member_left_out", "{what} ({hint})", member, what, hint),
        None => notice!("member_left_out", "{what}", member, what),
    }
}

/// What ends the whole archive and not one file of it.
fn is_final(error: &KnowledgeError, archive: &str) -> bool {
    match error {
        KnowledgeError::Stopped { .. } => true,
        // Too many records, or too much unpacked: the archive's own limits carry its name.
        KnowledgeError::TooLarge { file, .. } => file == archive,
        KnowledgeError::InvalidSpec { .. }
        | KnowledgeError::UnreadableFile { .. }
        | KnowledgeError::Protected { .. }
        | KnowledgeError::WithoutText { .. }
        | KnowledgeError::UnknownEncoding { .. }
        | KnowledgeError::InvalidDocument { .. }
        | KnowledgeError::UnsupportedDocument { .. }
        | KnowledgeError::InvalidFilter { .. }
        | KnowledgeError::InvalidRequest { .. }
        | KnowledgeError::EmbeddingUnavailable { .. }
        | KnowledgeError::IndexUnavailable { .. }
        | KnowledgeError::DocumentGone { .. }
        | KnowledgeError::Index { .. }
        | KnowledgeError::Damaged { .. }
        | KnowledgeError::Io { .. }
        | KnowledgeError::Worker { .. } => false,
    }
}

fn read_member(
    archive: &mut Archive<'_>,
    member: &Member,
    window: (u64, u64, u64),
    blocks: &mut dyn Blocks,
) -> Result<(), KnowledgeError> {
    let name = member.name.as_str();
    if member.is_encrypted {
        return Err(format::encrypted(name));
    }
    let unpacked = archive.unpack(member)?;
    let source = unpacked.source().map_err(|error| crate::parse::source::unreadable(name, &error))?;
    crate::parse::check_size(&source, name)?;
    let (kind, warning) = format::recognise(&source, name, None)?;
    blocks.begin_member(name, window);
    if let Some(warning) = warning {
        blocks.warn(warning);
    }
    let read = guarded(name, || read_format(&source, name, kind, blocks).map(|_| ()));
    let problems = blocks.end_member()?;
    match (read, problems) {
        (Err(error), _) | (Ok(()), Some(error)) => Err(error),
        (Ok(()), None) => Ok(()),
    }
}

/// What systems put beside people's files.
fn is_furniture(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    name.starts_with("__MACOSX/")
        || last.starts_with('.')
        || matches!(last.to_ascii_lowercase().as_str(), "thumbs.db" | "desktop.ini")
}
