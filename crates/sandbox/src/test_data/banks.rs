//! The test bank accounts of <https://docs.stripe.com/testing>: SEPA IBANs and US bank accounts.

use crate::test_data::behavior::{Behavior, DebitFailure, DebitSpeed};

/// The routing number of every US test account.
pub(crate) const TEST_ROUTING_NUMBER: &str = "110000000";

const fn debit(fails_with: Option<DebitFailure>, speed: DebitSpeed) -> Behavior {
    Behavior::Debits { fails_with, speed }
}

const PAID: Behavior = debit(None, DebitSpeed::Normal);
const PAID_LATER: Behavior = debit(None, DebitSpeed::Delayed);
const FAILED: Behavior = debit(Some(DebitFailure::Declined), DebitSpeed::Normal);
const FAILED_LATER: Behavior = debit(Some(DebitFailure::Declined), DebitSpeed::Delayed);
const VOLUME: Behavior = debit(Some(DebitFailure::SourceLimit), DebitSpeed::Normal);
const COUNT: Behavior = debit(Some(DebitFailure::WeeklyLimit), DebitSpeed::Normal);
const FUNDS: Behavior = debit(Some(DebitFailure::InsufficientFunds), DebitSpeed::Normal);

/// One test account: the IBAN or US account number, and what follows `pm_sepaDebit_` (also `pm_`) or
/// `pm_usBankAccount_` in its name.
pub(crate) struct TestAccount {
    pub(crate) number: &'static str,
    name: &'static str,
    pub(crate) behavior: Behavior,
}

const fn account(number: &'static str, name: &'static str, behavior: Behavior) -> TestAccount {
    TestAccount { number, name, behavior }
}

const IBANS: &[TestAccount] = &[
    account("AT611904300234573201", "success_at", PAID),
    account("AT321904300235473204", "successDelayed_at", PAID_LATER),
    account("AT861904300235473202", "failed_at", FAILED),
    account("AT051904300235473205", "failedDelayed_at", FAILED_LATER),
    account("AT981904300000343434", "exceedsWeeklyVolumeLimit_at", VOLUME),
    account("AT601904300000121212", "exceedsWeeklyTransactionLimit_at", COUNT),
    account("AT981904300002222227", "insufficientFunds_at", FUNDS),
    account("BE62510007547061", "success_be", PAID),
    account("BE78510007547064", "successDelayed_be", PAID_LATER),
    account("BE68539007547034", "failed_be", FAILED),
    account("BE51510007547065", "failedDelayed_be", FAILED_LATER),
    account("BE90510000343434", "exceedsWeeklyVolumeLimit_be", VOLUME),
    account("BE52510000121212", "exceedsWeeklyTransactionLimit_be", COUNT),
    account("BE90510002222227", "insufficientFunds_be", FUNDS),
    account("DE89370400440532013000", "success_de", PAID),
    account("DE08370400440532013003", "successDelayed_de", PAID_LATER),
    account("DE62370400440532013001", "failed_de", FAILED),
    account("DE78370400440532013004", "failedDelayed_de", FAILED_LATER),
    account("DE65370400440000343434", "exceedsWeeklyVolumeLimit_de", VOLUME),
    account("DE27370400440000121212", "exceedsWeeklyTransactionLimit_de", COUNT),
    account("DE65370400440002222227", "insufficientFunds_de", FUNDS),
    account("FR1420041010050500013M02606", "success_fr", PAID),
    account("FR3020041010050500013M02609", "successDelayed_fr", PAID_LATER),
    account("FR8420041010050500013M02607", "failed_fr", FAILED),
    account("FR7920041010050500013M02600", "failedDelayed_fr", FAILED_LATER),
    account("FR9720041010050000000343434", "exceedsWeeklyVolumeLimit_fr", VOLUME),
    account("FR5920041010050000000121212", "exceedsWeeklyTransactionLimit_fr", COUNT),
    account("FR9720041010050000002222227", "insufficientFunds_fr", FUNDS),
    account("IE29AIBK93115212345678", "success_ie", PAID),
    account("IE24AIBK93115212345671", "successDelayed_ie", PAID_LATER),
    account("IE02AIBK93115212345679", "failed_ie", FAILED),
    account("IE94AIBK93115212345672", "failedDelayed_ie", FAILED_LATER),
    account("IE10AIBK93115200343434", "exceedsWeeklyVolumeLimit_ie", VOLUME),
    account("IE69AIBK93115200121212", "exceedsWeeklyTransactionLimit_ie", COUNT),
    account("IE10AIBK93115202222227", "insufficientFunds_ie", FUNDS),
];

const US_ACCOUNTS: &[TestAccount] = &[
    account("000123456789", "success", PAID),
    account("000111111113", "accountClosed", debit(Some(DebitFailure::AccountClosed), DebitSpeed::Normal)),
    account("000111111116", "noAccount", debit(Some(DebitFailure::NoAccount), DebitSpeed::Normal)),
    account("000222222227", "insufficientFunds", FUNDS),
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
    account("000777777771", "weeklyLimitExceeded", VOLUME),
    account("000000000009", "processing", debit(None, DebitSpeed::Never)),
];

impl TestAccount {
    /// A SEPA account by IBAN, with or without blanks.
    pub(crate) fn by_iban(iban: &str) -> Option<&'static Self> {
        let compact: String = iban.split_whitespace().collect::<String>().to_ascii_uppercase();
        IBANS.iter().find(|account| account.number == compact)
    }

    /// A SEPA account by `pm_sepaDebit_success_at` or `pm_success_at`.
    pub(crate) fn by_sepa_name(name: &str) -> Option<&'static Self> {
        let suffix = name.strip_prefix("pm_sepaDebit_").or_else(|| name.strip_prefix("pm_"))?;
        IBANS.iter().find(|account| account.name == suffix)
    }

    pub(crate) fn by_us_number(number: &str) -> Option<&'static Self> {
        US_ACCOUNTS.iter().find(|account| account.number == number)
    }

    /// A US account by `pm_usBankAccount_success`.
    pub(crate) fn by_us_name(name: &str) -> Option<&'static Self> {
        let suffix = name.strip_prefix("pm_usBankAccount_")?;
        US_ACCOUNTS.iter().find(|account| account.name == suffix)
    }

    pub(crate) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }
}
