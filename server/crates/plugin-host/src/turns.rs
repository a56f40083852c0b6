//! Fairness between tenants. Calls of one tenant together have three quarters of the host's slots, and half of them for any
//! one plugin; of its busy guests no more compute at once than there are threads: they take turns, a tick each. So a tenant
//! that floods the host, or whose plugins wait or compute without end, waits behind itself, and another tenant's call finds a
//! slot and a thread.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::pool::give_way;

/// The shares of the tenants that have calls at the moment.
#[derive(Debug)]
pub(crate) struct Tenants {
    /// All that the host has.
    slots: usize,
    threads: usize,
    /// Written when a tenant's first call begins; entries of tenants without calls go then.
    shares: Mutex<HashMap<String, Weak<Share>>>,
}

/// What one tenant's calls share.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) slots: Arc<Semaphore>,
    slots_per_plugin: usize,
    /// By the hash of the plugin's file; written by a plugin's first call.
    plugins: Mutex<HashMap<String, Arc<Semaphore>>>,
    turns: Arc<Semaphore>,
}

impl Share {
    /// The slots that the tenant's calls of one plugin may have.
    pub(crate) fn slots_of(&self, plugin: &str) -> Arc<Semaphore> {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slots) = plugins.get(plugin) {
            return Arc::clone(slots);
        }
        let slots = Arc::new(Semaphore::new(self.slots_per_plugin));
        plugins.insert(plugin.to_owned(), Arc::clone(&slots));
        slots
    }
}

impl Tenants {
    pub(crate) fn new(slots: usize, threads: usize) -> Self {
        Self { slots, threads, shares: Mutex::default() }
    }

    pub(crate) fn share(&self, tenant: &str) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share {
            slots: Arc::new(Semaphore::new(self.slots - self.slots / 4)),
            slots_per_plugin: self.slots.div_ceil(2),
            plugins: Mutex::default(),
            turns: Arc::new(Semaphore::new(self.threads)),
        });
        shares.insert(tenant.to_owned(), Arc::downgrade(&share));
        share
    }
}

/// A busy guest's place among those of its tenant.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    share: Arc<Share>,
    /// Written by the guest's own tick and when it begins to wait.
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl Turn {
    pub(crate) fn of(share: Arc<Share>) -> Self {
        Self { share, held: Arc::default() }
    }

    /// Lets whoever else is there compute, first of all the tenant's others, who have waited longer.
    pub(crate) fn next(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let turn = self.clone();
        Box::pin(async move {
            turn.give_back();
            give_way().await;
            // It is never closed.
            let permit = Arc::clone(&turn.share.turns).acquire_owned().await.ok();
            *turn.held.lock().unwrap_or_else(PoisonError::into_inner) = permit;
        })
    }

    /// A guest that waits for the server computes nothing.
    pub(crate) fn give_back(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_one_for_all_calls_of_a_tenant_and_goes_with_them() {
        let tenants = Tenants::new(4, 2);
        let (one, same, other) = (tenants.share("a"), tenants.share("a"), tenants.share("b"));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
        drop((one, same, other));
        let _third = tenants.share("c");
        assert_eq!(tenants.shares.lock().map(|it| it.len()).ok(), Some(1), "nobody is kept who has no call");
    }

    #[tokio::test]
    async fn a_turn_waits_for_the_others_of_its_tenant_alone() {
        let tenants = Tenants::new(4, 1);
        let (busy, waiting) = (Turn::of(tenants.share("a")), Turn::of(tenants.share("a")));
        let elsewhere = Turn::of(tenants.share("b"));
        busy.next().await;
        elsewhere.next().await;
        let mut next = waiting.next();
        assert!(futures::poll!(&mut next).is_pending(), "it gives way");
        assert!(futures::poll!(&mut next).is_pending(), "the other one computes");
        busy.give_back();
        next.await;
    }
}
