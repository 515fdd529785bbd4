//! Encryption: keys wrapped by a passphrase, payload by these keys (sections 3.2.2 and 6).
//!
//! A key of 2048 rounds of PBKDF2 over passphrase and salt wraps one or two keys for payload (RFC 3394); these are used by turns, and
//! exchanged while media flows. AES-GCM (libsrt 1.6) is not spoken here.

use aes::cipher::{KeyIvInit, StreamCipher};
use aes::{Aes128, Aes192, Aes256};
use aes_kw::{KeyInit, KwAes128, KwAes192, KwAes256};
use ctr::Ctr128BE;

use super::packet::Key;

/// Bytes of the salt.
pub const SALT: usize = 16;
/// Of these count for the passphrase, the last ones.
const PASSPHRASE_SALT: usize = 8;
/// Of these count for payload, the first ones.
const NONCE: usize = 14;
/// Rounds.
const ROUNDS: u32 = 2048;
/// Bytes that wrapping adds.
const WRAP: usize = 8;
/// The longest key, bytes.
const KEY_MAX: usize = 32;
/// Bytes before the salt.
const FIXED: usize = 16;
/// The cipher that is spoken here.
const AES_CTR: u8 = 2;

/// What a peer says instead of keys (section 3.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// One side declares no encryption.
    Unsecured,
    /// It has no passphrase.
    NoSecret,
    /// It has another passphrase.
    BadSecret,
    /// It wants another cipher.
    BadCipher,
    /// Something else.
    Other(u32),
}

impl KeyState {
    /// libsrt writes the number with its little end first.
    pub(super) fn read(bytes: [u8; 4]) -> Self {
        match u32::from_le_bytes(bytes) {
            0 => Self::Unsecured,
            3 => Self::NoSecret,
            4 => Self::BadSecret,
            5 => Self::BadCipher,
            other => Self::Other(other),
        }
    }

    /// The body of an answer with this state.
    pub fn to_bytes(self) -> [u8; 4] {
        let number = match self {
            Self::Unsecured => 0_u32,
            Self::NoSecret => 3,
            Self::BadSecret => 4,
            Self::BadCipher => 5,
            Self::Other(other) => other,
        };
        number.to_le_bytes()
    }
}

/// Wrapped keys as they are exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMaterial {
    even: bool,
    odd: bool,
    cipher: u8,
    salt: [u8; SALT],
    /// Bytes of one key.
    length: usize,
    wrapped: Vec<u8>,
}

/// Keys that cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The passphrase does not open them.
    #[error("the passphrase is wrong")]
    Passphrase,
    /// A cipher that is not spoken here.
    #[error("cipher {0} is not spoken here, only AES-CTR")]
    Cipher(u8),
}

impl KeyMaterial {
    /// Wraps an even key of 16, 24 or 32 random bytes; `None` for another length.
    pub fn new(passphrase: &str, salt: [u8; SALT], key: &[u8]) -> Option<Self> {
        let mut wrapped = vec![0; key.len() + WRAP];
        match wrapping_key(passphrase, &salt, key.len())? {
            Wrapper::Aes128(wrapper) => wrapper.wrap_key(key, &mut wrapped).ok()?,
            Wrapper::Aes192(wrapper) => wrapper.wrap_key(key, &mut wrapped).ok()?,
            Wrapper::Aes256(wrapper) => wrapper.wrap_key(key, &mut wrapped).ok()?,
        };
        Some(Self { even: true, odd: false, cipher: AES_CTR, salt, length: key.len(), wrapped })
    }

    /// Reads key material; `None` when it contradicts itself.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
        let [0x12, 0x20, 0x29, which, _, _, _, _, cipher, _, _, _, _, _, salt_words, key_words] = *fixed
        else {
            return None;
        };
        let (salt, wrapped) = rest.split_first_chunk::<SALT>()?;
        let (even, odd, length) = (which & 1 != 0, which & 2 != 0, usize::from(key_words) * 4);
        let keys = usize::from(even) + usize::from(odd);
        // GCM wraps in the same way.
        let right = usize::from(salt_words) * 4 == SALT
            && matches!(length, 16 | 24 | KEY_MAX)
            && keys > 0
            && wrapped.len() == keys * length + WRAP;
        right.then(|| Self { even, odd, cipher, salt: *salt, length, wrapped: wrapped.to_vec() })
    }

    /// As it is exchanged.
    pub fn to_bytes(&self) -> Vec<u8> {
        let which = u8::from(self.even) | u8::from(self.odd) << 1;
        // Authentication is GCM's; 2 is the encapsulation "MPEG-TS over SRT", whatever is carried.
        let gcm = u8::from(self.cipher == 4);
        let key_words = u8::try_from(self.length / 4).unwrap_or(0);
        let fixed = [0x12, 0x20, 0x29, which, 0, 0, 0, 0, self.cipher, gcm, 2, 0, 0, 0, 4, key_words];
        [&fixed[..], &self.salt, &self.wrapped].concat()
    }

    /// The length of a key as the encryption field of a handshake has it.
    pub(super) fn field(&self) -> u16 {
        u16::try_from(self.length / 8).unwrap_or(0)
    }

    /// Bits of a key.
    pub const fn bits(&self) -> usize {
        self.length * 8
    }

    /// Opens the keys.
    ///
    /// # Errors
    /// A wrong passphrase, another cipher.
    pub fn open(&self, passphrase: &str) -> Result<Keys, KeyError> {
        if self.cipher != AES_CTR {
            return Err(KeyError::Cipher(self.cipher));
        }
        let mut both = [0; KEY_MAX * 2];
        let clear = both.get_mut(..self.wrapped.len() - WRAP).ok_or(KeyError::Passphrase)?;
        let opened = match wrapping_key(passphrase, &self.salt, self.length) {
            Some(Wrapper::Aes128(wrapper)) => wrapper.unwrap_key(&self.wrapped, clear).is_ok(),
            Some(Wrapper::Aes192(wrapper)) => wrapper.unwrap_key(&self.wrapped, clear).is_ok(),
            Some(Wrapper::Aes256(wrapper)) => wrapper.unwrap_key(&self.wrapped, clear).is_ok(),
            None => false,
        };
        if !opened {
            return Err(KeyError::Passphrase);
        }
        let mut keys = clear.chunks_exact(self.length).map(<[u8]>::to_vec);
        let even = if self.even { keys.next() } else { None };
        let odd = if self.odd { keys.next() } else { None };
        Ok(Keys { salt: self.salt, even, odd })
    }
}

enum Wrapper {
    Aes128(KwAes128),
    Aes192(KwAes192),
    Aes256(KwAes256),
}

/// The key of `length` bytes that wraps other keys (section 6.1.4).
fn wrapping_key(passphrase: &str, salt: &[u8; SALT], length: usize) -> Option<Wrapper> {
    let mut key = [0; KEY_MAX];
    let key = key.get_mut(..length)?;
    pbkdf2::pbkdf2_hmac::<sha1::Sha1>(passphrase.as_bytes(), &salt[SALT - PASSPHRASE_SALT..], ROUNDS, key);
    match length {
        16 => KwAes128::new_from_slice(key).ok().map(Wrapper::Aes128),
        24 => KwAes192::new_from_slice(key).ok().map(Wrapper::Aes192),
        KEY_MAX => KwAes256::new_from_slice(key).ok().map(Wrapper::Aes256),
        _ => None,
    }
}

/// Keys for payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    salt: [u8; SALT],
    even: Option<Vec<u8>>,
    odd: Option<Vec<u8>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl Keys {
    /// Takes newer keys; what they lack stays.
    pub fn renew(&mut self, newer: Self) {
        let Self { salt, even, odd } = newer;
        self.salt = salt;
        self.even = even.or(self.even.take());
        self.odd = odd.or(self.odd.take());
    }

    /// Opens the payload of a packet in place; false when there is no such key.
    pub fn open(&self, key: Key, sequence: u32, payload: &mut [u8]) -> bool {
        let key = match key {
            Key::Clear => return true,
            Key::Even => self.even.as_deref(),
            Key::Odd => self.odd.as_deref(),
        };
        let Some(key) = key else { return false };
        // The packet's number in bytes 10 to 13 and a counter of blocks behind it, exclusive-or the salt (section 6.2.2).
        let mut counter = [0; 16];
        counter[10..NONCE].copy_from_slice(&sequence.to_be_bytes());
        counter.iter_mut().zip(&self.salt[..NONCE]).for_each(|(byte, salt)| *byte ^= salt);
        match key.len() {
            16 => apply::<Ctr128BE<Aes128>>(key, &counter, payload),
            24 => apply::<Ctr128BE<Aes192>>(key, &counter, payload),
            _ => apply::<Ctr128BE<Aes256>>(key, &counter, payload),
        }
    }
}

fn apply<C: KeyIvInit + StreamCipher>(key: &[u8], counter: &[u8], payload: &mut [u8]) -> bool {
    C::new_from_slices(key, counter).is_ok_and(|mut cipher| cipher.try_apply_keystream(payload).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_keys_open_with_their_passphrase_only() {
        for length in [16, 24, 32] {
            let made = KeyMaterial::new("correct horse", [7; SALT], &vec![9; length]).expect("a length");
            let read = KeyMaterial::parse(&made.to_bytes()).expect("its own bytes");
            assert_eq!((&read, read.bits()), (&made, length * 8));
            let keys = read.open("correct horse").expect("its passphrase");
            assert_eq!((keys.even.as_deref(), &keys.odd), (Some(&vec![9; length][..]), &None));
            assert_eq!(read.open("correct house"), Err(KeyError::Passphrase));
        }
        assert_eq!(KeyMaterial::new("correct horse", [7; SALT], &[9; 17]), None);
    }

    #[test]
    fn material_that_contradicts_itself_is_refused() {
        let right = KeyMaterial::new("correct horse", [7; SALT], &[9; 16]).expect("a length").to_bytes();
        // Another signature, no key, a salt and a key of other lengths, two keys in the room of one.
        for (at, value) in [(1, 0x21), (3, 0), (14, 255), (15, 255), (15, 5), (3, 3)] {
            let mut wrong = right.clone();
            wrong[at] = value;
            assert_eq!(KeyMaterial::parse(&wrong), None, "byte {at}");
        }
        let gcm = [&right[..8], &[4, 1], &right[10..]].concat();
        let gcm = KeyMaterial::parse(&gcm).expect("readable");
        assert_eq!((gcm.open("correct horse"), gcm.to_bytes()[9]), (Err(KeyError::Cipher(4)), 1));
    }

    #[test]
    fn the_state_is_read_as_libsrt_writes_it() {
        assert_eq!(KeyState::read([4, 0, 0, 0]), KeyState::BadSecret);
        for bytes in [[0; 4], [3, 0, 0, 0], [5, 0, 0, 0], [1, 2, 3, 4]] {
            assert_eq!(KeyState::read(bytes).to_bytes(), bytes);
        }
    }
}
