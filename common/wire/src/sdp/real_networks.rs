//! What `RealNetworks` servers say of a track: `a=IsRealDataType`, `a=ASMRuleBook`, `a=OpaqueData`.

use super::{Description, Media};
use crate::base64;
use crate::realmedia::{Codec, CodecData};

impl Media {
    /// Whether its media is of `RealNetworks` and comes by their own transport.
    pub fn is_real(&self) -> bool {
        let marked = self.section.attribute("IsRealDataType").is_some_and(|value| value == "integer;1");
        let encoding = self.formats.first().map(|format| format.encoding.to_ascii_lowercase());
        marked || encoding.is_some_and(|encoding| encoding.starts_with("x-pn-"))
    }

    /// The rules by which a player chooses bit rates: see [`crate::rdt::rules_for`].
    pub fn rule_book(&self) -> Option<&str> {
        self.section.attribute("ASMRuleBook")?.strip_prefix("string;")
    }

    /// The codec that holds under a rule.
    pub fn real_codec(&self, rule: usize) -> Option<Codec> {
        let data = base64::decode(self.section.attribute("OpaqueData")?.strip_prefix("buffer;")?)?;
        Codec::parse(CodecData::new(&data).of_rule(rule)?)
    }
}

impl Description {
    /// Whether a `RealNetworks` server says that it is live, or that it is not; `None` when it is not theirs.
    pub(super) fn is_real_live(&self) -> Option<bool> {
        let live = self.common.attribute("LiveStream").map(|value| value == "integer;1");
        // A file has a length, which other servers write as a range.
        let length = self.media.iter().find_map(|media| media.section.attribute("length"));
        live.or_else(|| {
            length.and_then(|length| length.strip_prefix("npt=")).map(|length| length.trim() == "0")
        })
    }
}
