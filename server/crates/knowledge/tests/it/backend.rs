//! The two back ends. What is listed in [`on_each_backend`] runs on both: on the embedded index, and on a Qdrant server, which
//! is the one at `QDRANT_URL` (with `QDRANT_API_KEY`), or else a small one of the test's own.

use std::path::Path;

use knowledge::{Knowledge, QdrantConfig};
use qdrant_client::Qdrant;

use crate::qdrant_server::TestServer;

pub(crate) struct Backend {
    qdrant: Option<QdrantConfig>,
    /// Listens as long as the test goes on.
    _server: Option<TestServer>,
}

impl Backend {
    pub(crate) fn embedded() -> Backend {
        Backend { qdrant: None, _server: None }
    }

    pub(crate) async fn qdrant() -> Backend {
        let Ok(url) = std::env::var("QDRANT_URL") else {
            let server = TestServer::start().await;
            return Backend { qdrant: Some(QdrantConfig::new(&server.url, None)), _server: Some(server) };
        };
        let mut config = QdrantConfig::new(url, std::env::var("QDRANT_API_KEY").ok());
        // Tests use the same tenants and bases, and a real server keeps what it is told.
        config.prefix = format!("parlour-test-{}", uuid::Uuid::new_v4());
        Backend { qdrant: Some(config), _server: None }
    }

    pub(crate) fn open(&self, dir: &Path) -> Knowledge {
        match &self.qdrant {
            None => Knowledge::open(dir.to_owned()).unwrap(),
            Some(config) => Knowledge::open_with_qdrant(dir.to_owned(), config).unwrap(),
        }
    }

    /// What a real server would keep.
    pub(crate) async fn clean_up(config: Option<QdrantConfig>) {
        let Some(config) = config.filter(|it| it.prefix != QdrantConfig::new("", None).prefix) else { return };
        let client = Qdrant::from_url(&config.url).api_key(config.api_key).skip_compatibility_check().build().unwrap();
        for it in client.list_aliases().await.unwrap().aliases {
            if it.alias_name.starts_with(&config.prefix) {
                client.delete_collection(it.collection_name).await.unwrap();
            }
        }
    }

    pub(crate) fn config(&self) -> Option<QdrantConfig> {
        self.qdrant.clone()
    }
}

/// Each of these cases as a test of each back end.
macro_rules! on_each_backend {
    ($($case:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::backend::Backend::embedded()).await;
            })*
        }

        mod on_qdrant {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let backend = crate::backend::Backend::qdrant().await;
                let config = backend.config();
                super::$case(backend).await;
                crate::backend::Backend::clean_up(config).await;
            })*
        }
    };
}

pub(crate) use on_each_backend;
