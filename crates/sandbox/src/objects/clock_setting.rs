//! The clock's offset, which survives a restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::storage::table::Resource;

/// The clock's stored offset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClockSetting {
    pub(crate) advanced_ms: u64,
}

impl ClockSetting {
    const ID: &'static str = "clock";

    pub(crate) fn advanced(&self) -> Duration {
        Duration::from_millis(self.advanced_ms)
    }
}

impl Resource for ClockSetting {
    const KIND: &'static str = "clock_setting";

    fn id(&self) -> &str {
        Self::ID
    }
}
