//! The test bank accounts of <https://docs.stripe.com/testing>: SEPA IBANs and US bank accounts.

use crate::test_data::behavior::{Behavior, DebitFailure, DebitSpeed};

/// The routing number of all US test accounts.
pub(crate) const TEST_ROUTING_NUMBER: &str = "110000000";

const fn debit(fails_with: Option<DebitFailure>, speed: DebitSpeed) -> Behavior {
    Behavior::Debits { fails_with, speed }
}

const SUCCESS: Behavior = debit(None, DebitSpeed::Normal);
const SUCCESS_DELAYED: Behavior = debit(None, DebitSpeed::Delayed);
const FAILURE: Behavior = debit(Some(DebitFailure::Declined), DebitSpeed::Normal);
const FAILURE_DELAYED: Behavior = debit(Some(DebitFailure::Declined), DebitSpeed::Delayed);
const VOLUME_LIMIT: Behavior = debit(Some(DebitFailure::SourceLimit), DebitSpeed::Normal);
const COUNT_LIMIT: Behavior = debit(Some(DebitFailure::WeeklyLimit), DebitSpeed::Normal);
const INSUFFICIENT_FUNDS: Behavior = debit(Some(DebitFailure::InsufficientFunds), DebitSpeed::Normal);

/// A test account: its IBAN or US account number, and its name without the prefix `pm_sepaDebit_` (or `pm_`) or
/// `pm_usBankAccount_`.
pub(crate) struct TestAccount {
    pub(crate) number: &'static str,
    name: &'static str,
    pub(crate) behavior: Behavior,
}

const fn account(number: &'static str, name: &'static str, behavior: Behavior) -> TestAccount {
    TestAccount { number, name, behavior }
}

const IBANS: &[TestAccount] = &[
    account("AT611904300234573201", "success_at", SUCCESS),
    account("AT321904300235473204", "successDelayed_at", SUCCESS_DELAYED),
    account("AT861904300235473202", "failed_at", FAILURE),
    account("AT051904300235473205", "failedDelayed_at", FAILURE_DELAYED),
    account("AT981904300000343434", "exceedsWeeklyVolumeLimit_at", VOLUME_LIMIT),
    account("AT601904300000121212", "exceedsWeeklyTransactionLimit_at", COUNT_LIMIT),
    account("AT981904300002222227", "insufficientFunds_at", INSUFFICIENT_FUNDS),
    account("BE62510007547061", "success_be", SUCCESS),
    account("BE78510007547064", "successDelayed_be", SUCCESS_DELAYED),
    account("BE68539007547034", "failed_be", FAILURE),
    account("BE51510007547065", "failedDelayed_be", FAILURE_DELAYED),
    account("BE90510000343434", "exceedsWeeklyVolumeLimit_be", VOLUME_LIMIT),
    account("BE52510000121212", "exceedsWeeklyTransactionLimit_be", COUNT_LIMIT),
    account("BE90510002222227", "insufficientFunds_be", INSUFFICIENT_FUNDS),
    account("DE89370400440532013000", "success_de", SUCCESS),
    account("DE08370400440532013003", "successDelayed_de", SUCCESS_DELAYED),
    account("DE62370400440532013001", "failed_de", FAILURE),
    account("DE78370400440532013004", "failedDelayed_de", FAILURE_DELAYED),
    account("DE65370400440000343434", "exceedsWeeklyVolumeLimit_de", VOLUME_LIMIT),
    account("DE27370400440000121212", "exceedsWeeklyTransactionLimit_de", COUNT_LIMIT),
    account("DE65370400440002222227", "insufficientFunds_de", INSUFFICIENT_FUNDS),
    account("FR1420041010050500013M02606", "success_fr", SUCCESS),
    account("FR3020041010050500013M02609", "successDelayed_fr", SUCCESS_DELAYED),
    account("FR8420041010050500013M02607", "failed_fr", FAILURE),
    account("FR7920041010050500013M02600", "failedDelayed_fr", FAILURE_DELAYED),
    account("FR9720041010050000000343434", "exceedsWeeklyVolumeLimit_fr", VOLUME_LIMIT),
    account("FR5920041010050000000121212", "exceedsWeeklyTransactionLimit_fr", COUNT_LIMIT),
    account("FR9720041010050000002222227", "insufficientFunds_fr", INSUFFICIENT_FUNDS),
    account("IE29AIBK93115212345678", "success_ie", SUCCESS),
    account("IE24AIBK93115212345671", "successDelayed_ie", SUCCESS_DELAYED),
    account("IE02AIBK93115212345679", "failed_ie", FAILURE),
    account("IE94AIBK93115212345672", "failedDelayed_ie", FAILURE_DELAYED),
    account("IE10AIBK93115200343434", "exceedsWeeklyVolumeLimit_ie", VOLUME_LIMIT),
    account("IE69AIBK93115200121212", "exceedsWeeklyTransactionLimit_ie", COUNT_LIMIT),
    account("IE10AIBK93115202222227", "insufficientFunds_ie", INSUFFICIENT_FUNDS),
];

const US_ACCOUNTS: &[TestAccount] = &[
    account("000123456789", "success", SUCCESS),
    account("000111111113", "accountClosed", debit(Some(DebitFailure::AccountClosed), DebitSpeed::Normal)),
    account("000111111116", "noAccount", debit(Some(DebitFailure::NoAccount), DebitSpeed::Normal)),
    account("000222222227", "insufficientFunds", INSUFFICIENT_FUNDS),
    account(
        "000333333335",
        "debitNotAuthorized",
        debit(Some(DebitFailure::DebitNotAuthorized), DebitSpeed::Normal),
    ),
    account(
        "000444444440",
        "invalidCurrency",
        debit(Some(DebitFailure::InvalidCurrency), DebitSpeed::Normal),
    ),
    account("000777777771", "weeklyLimitExceeded", VOLUME_LIMIT),
    account("000000000009", "processing", debit(None, DebitSpeed::Never)),
];

impl TestAccount {
    /// Finds a SEPA account by IBAN, with or without spaces.
    pub(crate) fn by_iban(iban: &str) -> Option<&'static Self> {
        let compact: String = iban.split_whitespace().collect::<String>().to_ascii_uppercase();
        IBANS.iter().find(|account| account.number == compact)
    }

    /// Finds a SEPA account by a name such as `pm_sepaDebit_success_at` or `pm_success_at`.
    pub(crate) fn by_sepa_name(name: &str) -> Option<&'static Self> {
        let suffix = name.strip_prefix("pm_sepaDebit_").or_else(|| name.strip_prefix("pm_"))?;
        IBANS.iter().find(|account| account.name == suffix)
    }

    pub(crate) fn by_us_number(number: &str) -> Option<&'static Self> {
        US_ACCOUNTS.iter().find(|account| account.number == number)
    }

    /// Finds a US account by a name such as `pm_usBankAccount_success`.
    pub(crate) fn by_us_name(name: &str) -> Option<&'static Self> {
        let suffix = name.strip_prefix("pm_usBankAccount_")?;
        US_ACCOUNTS.iter().find(|account| account.name == suffix)
    }

    pub(crate) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }
}
