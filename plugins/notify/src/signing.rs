//! Signatures of group robots. They are computed from a key, so that key cannot be a secret of the settings, which a plugin
//! never sees: it is an ordinary setting.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// DingTalk: the key signs the moment (milliseconds) and itself.
/// <https://open.dingtalk.com/document/robots/customize-robot-security-settings>
pub(crate) fn dingtalk(key: &str, now_ms: u64) -> String {
    signature(key.as_bytes(), format!("{now_ms}\n{key}").as_bytes())
}

/// Feishu: the moment (seconds) and the key sign nothing.
/// <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>
pub(crate) fn feishu(key: &str, now_s: u64) -> String {
    signature(format!("{now_s}\n{key}").as_bytes(), b"")
}

fn signature(key: &[u8], message: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(message);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn the_mac_is_the_standards() {
        assert_eq!(
            signature(b"Jefe", b"what do ya want for nothing?"),
            STANDARD.encode([
                0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a,
                0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43
            ])
        );
    }
}
