//! Public sets in Chinese and English: where each is had, under which licence, and what was published for it. They are
//! downloaded once and turned into folders; nothing of them is in this repository.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Outcome;
use crate::folder::{Passage, Question, Set, judgements, lines_of_json};
use crate::metrics::Scores;

/// Figures that somebody else measured on the same set.
pub(crate) struct Published {
    pub(crate) what: &'static str,
    pub(crate) scores: Scores,
}

pub(crate) struct PublicSet {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) licence: &'static str,
    /// At a commit, where the place has commits.
    pub(crate) addresses: &'static [&'static str],
    form: Form,
    /// Passages, questions and judgements that it must have, so that a figure is not of another set than it says.
    size: (usize, usize, usize),
    /// Whether it is measured when none is named: its download is small.
    pub(crate) usual: bool,
    pub(crate) published: &'static [Published],
}

enum Form {
    /// SQuAD's JSON: each question's passage is the paragraph that it was asked about, and the passages are all paragraphs.
    Squad,
    /// The same inside an archive.
    ZippedSquad(&'static str),
    /// Two such files with the same ids: the questions of the first, the paragraphs of the second.
    Across,
    /// An archive of a folder in the form of BEIR.
    Beir(&'static str),
}

const E5: &str = "published (MTEB): dense, multilingual-e5-small";

pub(crate) const ALL: [PublicSet; 7] = [
    PublicSet {
        name: "xquad-zh",
        title: "XQuAD, Chinese",
        licence: "CC BY-SA 4.0",
        addresses: &[XQUAD_ZH],
        form: Form::Squad,
        size: (240, 1181, 1181),
        usual: true,
        published: &[Published {
            what: "published (MTEB): BM25 (bm25s, which does not cut Chinese)",
            scores: Scores { ndcg_10: 0.1205, recall_10: 0.14733, recall_100: 0.48434, mrr_10: 0.11254 },
        }],
    },
    PublicSet {
        name: "xquad-en",
        title: "XQuAD, English",
        licence: "CC BY-SA 4.0",
        addresses: &[XQUAD_EN],
        form: Form::Squad,
        size: (240, 1185, 1185),
        usual: true,
        published: &[Published {
            what: "published (MTEB): BM25 (bm25s)",
            scores: Scores { ndcg_10: 0.96494, recall_10: 0.99241, recall_100: 0.99747, mrr_10: 0.95584 },
        }],
    },
    PublicSet {
        name: "xquad-zh-en",
        title: "XQuAD, Chinese questions about English passages",
        licence: "CC BY-SA 4.0",
        addresses: &[XQUAD_ZH, XQUAD_EN],
        form: Form::Across,
        size: (240, 1181, 1181),
        usual: true,
        published: &[],
    },
    PublicSet {
        name: "cmrc2018",
        title: "CMRC 2018 dev, Chinese",
        licence: "CC BY-SA 4.0",
        addresses: &[
            "https://raw.githubusercontent.com/ymcui/cmrc2018/c0eb1b6ba219847457e6af3180da722bbeb656af/squad-style-data/cmrc2018_dev.json",
        ],
        form: Form::Squad,
        size: (848, 3218, 3219),
        usual: true,
        published: &[],
    },
    PublicSet {
        name: "drcd",
        title: "DRCD dev, traditional Chinese",
        licence: "CC BY-SA 3.0",
        addresses: &[
            "https://raw.githubusercontent.com/DRCKnowledgeTeam/DRCD/b944790de5af02c5fbb7cd9cb1473d27d169eebf/DRCD_dev.json",
        ],
        form: Form::Squad,
        size: (1000, 3524, 3524),
        usual: true,
        published: &[],
    },
    PublicSet {
        name: "scifact",
        title: "BEIR SciFact test, English",
        licence: "claims CC BY 4.0, abstracts ODC-By 1.0",
        addresses: &["https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/scifact.zip"],
        form: Form::Beir("scifact"),
        size: (5183, 300, 339),
        usual: true,
        published: &[
            Published {
                what: E5,
                scores: Scores { ndcg_10: 0.67585, recall_10: 0.80656, recall_100: 0.92833, mrr_10: 0.64358 },
            },
            Published {
                what: "published (MTEB): BM25 (bm25s)",
                scores: Scores { ndcg_10: 0.68736, recall_10: 0.81867, recall_100: 0.91267, mrr_10: 0.65034 },
            },
        ],
    },
    PublicSet {
        name: "mlqa-zh",
        title: "MLQA dev, Chinese",
        licence: "CC BY-SA 3.0",
        addresses: &["https://dl.fbaipublicfiles.com/MLQA/MLQA_V1.zip"],
        form: Form::ZippedSquad("MLQA_V1/dev/dev-context-zh-question-zh.json"),
        size: (443, 504, 504),
        usual: false,
        published: &[Published {
            what: E5,
            scores: Scores { ndcg_10: 0.80657, recall_10: 0.90476, recall_100: 0.97817, mrr_10: 0.77482 },
        }],
    },
];

const XQUAD_ZH: &str =
    "https://raw.githubusercontent.com/google-deepmind/xquad/7d30520c717524000f0d9d2f9c10a069acd9d285/xquad.zh.json";
const XQUAD_EN: &str =
    "https://raw.githubusercontent.com/google-deepmind/xquad/7d30520c717524000f0d9d2f9c10a069acd9d285/xquad.en.json";

pub(crate) fn named(name: &str) -> Option<&'static PublicSet> {
    ALL.iter().find(|it| it.name == name)
}

/// Where sets are kept, and where their files are had.
pub(crate) struct Store<'a> {
    pub(crate) data: &'a Path,
    /// A place that has the files by their names, instead of the addresses above.
    pub(crate) from: Option<&'a str>,
    pub(crate) client: reqwest::Client,
}

impl Store<'_> {
    /// The set's folder, made of downloaded files if it is not there yet.
    pub(crate) async fn folder(&self, set: &PublicSet) -> Outcome<PathBuf> {
        let folder = self.data.join(set.name);
        if folder.join("qrels").join("test.tsv").is_file() {
            return Ok(folder);
        }
        let mut files = Vec::new();
        for address in set.addresses {
            files.push(self.file(address).await?);
        }
        let made = set.form.read(&files)?;
        let size = (made.passages.len(), made.questions.len(), made.judgements());
        if size != set.size {
            let wanted = set.size;
            return Err(format!(
                "`{}` has {size:?} passages, questions and judgements instead of {wanted:?}: its files in `{}` are of \
                 another version",
                set.name,
                self.downloads().display()
            )
            .into());
        }
        made.write(&folder)?;
        Ok(folder)
    }

    fn downloads(&self) -> PathBuf {
        self.data.join("downloads")
    }

    async fn file(&self, address: &str) -> Outcome<Vec<u8>> {
        let name = address.rsplit('/').next().unwrap_or_default();
        let kept = self.downloads().join(name);
        if let Ok(bytes) = std::fs::read(&kept) {
            return Ok(bytes);
        }
        let address = self.from.map_or(address.to_owned(), |it| format!("{}/{name}", it.trim_end_matches('/')));
        eprintln!("{address}");
        let failed = |error: reqwest::Error| {
            let kept = kept.display();
            format!(
                "`{address}` cannot be downloaded: {error}\nhint: put the file to `{kept}`, or name a mirror with --from"
            )
        };
        let answer =
            self.client.get(&address).send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
        let bytes = answer.bytes().await.map_err(failed)?;
        std::fs::create_dir_all(self.downloads())?;
        // Whole or not at all: whoever stops a download finds no half file later.
        let part = kept.with_extension("part");
        std::fs::write(&part, &bytes)?;
        std::fs::rename(&part, &kept)?;
        Ok(bytes.to_vec())
    }
}

impl Form {
    fn read(&self, files: &[Vec<u8>]) -> Outcome<Set> {
        match (self, files) {
            (Form::Squad, [file]) => Ok(asked_of_paragraphs(&asked(file)?)),
            (Form::ZippedSquad(member), [file]) => Ok(asked_of_paragraphs(&asked(&unpacked(file, member)?)?)),
            (Form::Across, [questions, passages]) => {
                let places: BTreeMap<String, String> =
                    asked(passages)?.into_iter().map(|it| (it.id, it.passage)).collect();
                let moved = asked(questions)?.into_iter().map(|it| {
                    let passage = places.get(&it.id).ok_or_else(|| format!("no passage for question `{}`", it.id))?;
                    Ok(Asked { passage: passage.clone(), ..it })
                });
                Ok(asked_of_paragraphs(&moved.collect::<Outcome<Vec<Asked>>>()?))
            }
            (Form::Beir(name), [file]) => beir(file, name),
            (Form::Squad | Form::ZippedSquad(_) | Form::Across | Form::Beir(_), _) => {
                Err(format!("{} files are not what this set is made of", files.len()).into())
            }
        }
    }
}

#[derive(Deserialize)]
struct Squad {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<QuestionAsked>,
}

#[derive(Deserialize)]
struct QuestionAsked {
    id: String,
    question: String,
}

/// A question with the paragraph that it was asked about.
struct Asked {
    id: String,
    question: String,
    passage: String,
}

fn asked(file: &[u8]) -> Outcome<Vec<Asked>> {
    let squad: Squad = serde_json::from_slice(file)?;
    let paragraphs = squad.data.into_iter().flat_map(|it| it.paragraphs);
    Ok(paragraphs
        .flat_map(|Paragraph { context, qas }| {
            let passage = context.trim().to_owned();
            qas.into_iter().map(move |QuestionAsked { id, question }| Asked {
                id,
                question: question.trim().to_owned(),
                passage: passage.clone(),
            })
        })
        .collect())
}

/// As MTEB makes retrieval tasks of such sets: equal paragraphs are one passage, and equal questions are one question, about
/// all of their paragraphs.
fn asked_of_paragraphs(all: &[Asked]) -> Set {
    let mut set = Set::default();
    let mut passages: BTreeMap<&str, String> = BTreeMap::new();
    let mut questions: BTreeMap<&str, usize> = BTreeMap::new();
    for Asked { id, question, passage } in all {
        let known = passages.len();
        let passage = passages.entry(passage).or_insert_with(|| {
            let id = format!("p{known}");
            set.passages.push(Passage { id: id.clone(), title: String::new(), text: passage.clone() });
            id
        });
        let at = *questions.entry(question).or_insert_with(|| {
            set.questions.push(Question { id: id.clone(), text: question.clone(), relevant: BTreeMap::new() });
            set.questions.len() - 1
        });
        set.questions[at].relevant.insert(passage.clone(), 1);
    }
    set
}

fn beir(archive: &[u8], name: &str) -> Outcome<Set> {
    let text = |member: &str| Ok::<_, Box<dyn std::error::Error>>(String::from_utf8(unpacked(archive, member)?)?);
    let passages = lines_of_json(&text(&format!("{name}/corpus.jsonl"))?)?;
    let queries: Vec<Passage> = lines_of_json(&text(&format!("{name}/queries.jsonl"))?)?;
    let mut judged = judgements(&text(&format!("{name}/qrels/test.tsv"))?)?;
    let questions = queries.into_iter().filter_map(|Passage { id, title: _, text }| {
        judged.remove(&id).map(|relevant| Question { id, text, relevant })
    });
    Ok(Set { questions: questions.collect(), passages })
}

fn unpacked(archive: &[u8], member: &str) -> Outcome<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive))?;
    let mut file = archive.by_name(member).map_err(|error| format!("the archive has no `{member}`: {error}"))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn squad(paragraphs: &[(&str, &[(&str, &str)])]) -> Vec<u8> {
        let paragraphs: Vec<serde_json::Value> = paragraphs
            .iter()
            .map(|(context, asked)| {
                let qas: Vec<_> = asked.iter().map(|(id, it)| serde_json::json!({"id": id, "question": it})).collect();
                serde_json::json!({"context": context, "qas": qas})
            })
            .collect();
        serde_json::to_vec(&serde_json::json!({"version": "1", "data": [{"paragraphs": paragraphs}]})).unwrap()
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut made = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            made.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            made.write_all(bytes).unwrap();
        }
        made.finish().unwrap().into_inner()
    }

    fn relevant(set: &Set) -> Vec<(&str, Vec<(&str, u32)>)> {
        fn pairs(it: &Question) -> Vec<(&str, u32)> {
            it.relevant.iter().map(|(id, grade)| (id.as_str(), *grade)).collect()
        }
        set.questions.iter().map(|it| (it.id.as_str(), pairs(it))).collect()
    }

    #[test]
    fn equal_paragraphs_and_equal_questions_are_one() {
        let file = squad(&[
            ("第一段。", &[("1", "谁？"), ("2", "何时？")]),
            ("第二段。", &[("3", "谁？ ")]),
            (" 第一段。", &[("4", "何地？")]),
        ]);
        let set = Form::Squad.read(std::slice::from_ref(&file)).unwrap();
        assert_eq!(
            set.passages.iter().map(|it| (it.id.as_str(), it.text.as_str())).collect::<Vec<_>>(),
            [("p0", "第一段。"), ("p1", "第二段。")]
        );
        let wanted = [("1", vec![("p0", 1), ("p1", 1)]), ("2", vec![("p0", 1)]), ("4", vec![("p0", 1)])];
        assert_eq!(relevant(&set), wanted);
        let zipped = archive(&[("A/b.json", &file)]);
        assert_eq!(Form::ZippedSquad("A/b.json").read(std::slice::from_ref(&zipped)).unwrap(), set);
        let error = Form::ZippedSquad("A/c.json").read(&[zipped]).unwrap_err().to_string();
        assert!(error.contains("`A/c.json`"), "{error}");
    }

    #[test]
    fn questions_of_one_language_are_about_passages_of_the_other() {
        let chinese = squad(&[("第一段。", &[("1", "谁？")]), ("第二段。", &[("2", "谁？")])]);
        let english = squad(&[("First.", &[("1", "Who?")]), ("Second.", &[("2", "Who else?")])]);
        let set = Form::Across.read(&[chinese, english]).unwrap();
        assert_eq!(set.passages.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(), ["First.", "Second."]);
        assert_eq!(set.questions[0].text, "谁？");
        assert_eq!(relevant(&set), [("1", vec![("p0", 1), ("p1", 1)])]);
    }

    #[test]
    fn an_archive_of_beir_is_a_set() {
        let file = archive(&[
            ("s/corpus.jsonl", b"{\"_id\": \"7\", \"title\": \"T\", \"text\": \"x\", \"metadata\": {}}\n"),
            ("s/queries.jsonl", b"{\"_id\": \"1\", \"text\": \"one\"}\n{\"_id\": \"2\", \"text\": \"two\"}\n"),
            ("s/qrels/test.tsv", b"query-id\tcorpus-id\tscore\n2\t7\t1\n"),
        ]);
        let set = Form::Beir("s").read(&[file]).unwrap();
        assert_eq!((set.passages[0].title.as_str(), set.questions.len()), ("T", 1));
        assert_eq!(relevant(&set), [("2", vec![("7", 1)])]);
    }

    #[tokio::test]
    async fn files_that_are_there_are_not_downloaded_and_another_version_is_refused() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("downloads")).unwrap();
        let file = squad(&[("第一段。", &[("1", "谁？")])]);
        std::fs::write(data.path().join("downloads/small.json"), file).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Nobody listens there.
        let store = Store { data: data.path(), from: Some("http://127.0.0.1:9"), client: reqwest::Client::new() };
        let small = |size| PublicSet {
            name: "small",
            title: "",
            licence: "",
            addresses: &["https://example.com/a/small.json"],
            form: Form::Squad,
            size,
            usual: false,
            published: &[],
        };
        let error = store.folder(&small((2, 1, 1))).await.unwrap_err().to_string();
        assert!(error.contains("another version"), "{error}");
        let folder = store.folder(&small((1, 1, 1))).await.unwrap();
        assert_eq!(Set::read(&folder).unwrap().passages[0].text, "第一段。");
        std::fs::remove_dir_all(data.path().join("downloads")).unwrap();
        // The folder is enough.
        store.folder(&small((1, 1, 1))).await.unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        let error = store.folder(&small((1, 1, 1))).await.unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:9/small.json") && error.contains("--from"), "{error}");
    }
}
