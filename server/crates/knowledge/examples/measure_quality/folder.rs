//! A set of questions with judged passages, as a folder in the form of BEIR: `corpus.jsonl`, `queries.jsonl` and
//! `qrels/test.tsv` (or `dev.tsv`). Other tools read such folders too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::metrics::Judgements;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Passage {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) relevant: Judgements,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Set {
    pub(crate) passages: Vec<Passage>,
    /// Those that are judged, in the file's order.
    pub(crate) questions: Vec<Question>,
}

#[derive(Serialize, Deserialize)]
struct Query {
    #[serde(rename = "_id")]
    id: String,
    text: String,
}

impl Set {
    pub(crate) fn judgements(&self) -> usize {
        self.questions.iter().map(|it| it.relevant.len()).sum()
    }

    pub(crate) fn read(folder: &Path) -> Outcome<Set> {
        let passages: Vec<Passage> = lines_of_json(&read(&folder.join("corpus.jsonl"))?)?;
        let queries: Vec<Query> = lines_of_json(&read(&folder.join("queries.jsonl"))?)?;
        let judged = ["test", "dev"].map(|it| folder.join("qrels").join(it).with_extension("tsv"));
        let file = judged.iter().find(|it| it.is_file());
        let file =
            file.ok_or_else(|| format!("`{}` has neither qrels/test.tsv nor qrels/dev.tsv", folder.display()))?;
        let mut judgements = judgements(&read(file)?)?;
        let questions = queries
            .into_iter()
            .filter_map(|Query { id, text }| judgements.remove(&id).map(|relevant| Question { id, text, relevant }))
            .collect();
        if let Some(unknown) = judgements.keys().next() {
            return Err(format!("`{}` judges `{unknown}`, which is not in queries.jsonl", file.display()).into());
        }
        Ok(Set { passages, questions })
    }

    pub(crate) fn write(&self, folder: &Path) -> Outcome<()> {
        let (mut corpus, mut queries, mut judged) = (String::new(), String::new(), String::new());
        judged.push_str("query-id\tcorpus-id\tscore\n");
        for passage in &self.passages {
            corpus.push_str(&serde_json::to_string(passage)?);
            corpus.push('\n');
        }
        for Question { id, text, relevant } in &self.questions {
            queries.push_str(&serde_json::to_string(&Query { id: id.clone(), text: text.clone() })?);
            queries.push('\n');
            for (passage, grade) in relevant {
                writeln!(judged, "{id}\t{passage}\t{grade}")?;
            }
        }
        std::fs::create_dir_all(folder.join("qrels"))?;
        std::fs::write(folder.join("corpus.jsonl"), corpus)?;
        std::fs::write(folder.join("queries.jsonl"), queries)?;
        // Last, so that a folder that has it is whole.
        std::fs::write(folder.join("qrels").join("test.tsv"), judged)?;
        Ok(())
    }
}

fn read(file: &Path) -> Outcome<String> {
    std::fs::read_to_string(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()).into())
}

pub(crate) fn lines_of_json<T: for<'a> Deserialize<'a>>(text: &str) -> Outcome<Vec<T>> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, at)| {
            serde_json::from_str(line).map_err(|error| format!("line {at} is not usable: {error}").into())
        })
        .collect()
}

/// Tab-separated: question, passage, grade; the first line is a heading.
pub(crate) fn judgements(text: &str) -> Outcome<BTreeMap<String, Judgements>> {
    let mut all: BTreeMap<String, Judgements> = BTreeMap::new();
    for (line, at) in text.lines().zip(1..).skip(1).filter(|(line, _)| !line.trim().is_empty()) {
        let wrong = || format!("line {at} of the judgements is not `question, passage, grade`: {line}");
        let [question, passage, grade] = line.split('\t').collect::<Vec<_>>()[..] else { return Err(wrong().into()) };
        let grade = grade.trim().parse().map_err(|_| wrong())?;
        all.entry(question.to_owned()).or_default().insert(passage.to_owned(), grade);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let passage =
            |id: &str| Passage { id: id.to_owned(), title: "题".to_owned(), text: "一段\n文字".to_owned() };
        let question = |id: &str, of: &str| Question {
            id: id.to_owned(),
            text: "哪一段？".to_owned(),
            relevant: [(of.to_owned(), 2)].into(),
        };
        let set = Set {
            passages: vec![passage("p1"), passage("p0")],
            questions: vec![question("q9", "p0"), question("q1", "p1")],
        };
        let folder = tempfile::tempdir().unwrap();
        set.write(folder.path()).unwrap();
        assert_eq!(Set::read(folder.path()).unwrap(), set);
    }

    #[test]
    fn questions_without_a_judgement_are_not_asked_and_strangers_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("qrels")).unwrap();
        put("corpus.jsonl", "{\"_id\": \"p\", \"text\": \"a\", \"metadata\": {}}\n");
        put("queries.jsonl", "{\"_id\": \"1\", \"text\": \"one\"}\n\n{\"_id\": \"2\", \"text\": \"two\"}\n");
        put("qrels/dev.tsv", "query-id\tcorpus-id\tscore\n2\tp\t1\n");
        let set = Set::read(folder.path()).unwrap();
        assert_eq!((set.questions.len(), set.questions[0].id.as_str(), set.judgements()), (1, "2", 1));
        put("qrels/test.tsv", "query-id\tcorpus-id\tscore\n3\tp\t1\n");
        assert!(Set::read(folder.path()).unwrap_err().to_string().contains("`3`"));
        put("qrels/test.tsv", "query-id\tcorpus-id\tscore\n2\tp\n");
        assert!(Set::read(folder.path()).unwrap_err().to_string().contains("line 2"));
    }
}
