const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** First byte of an account's public key, which makes its text begin with `A`. */
const ACCOUNT = 0
const LENGTH = 35

/**
 * Whether a text is the public key of a NATS account: base32 of a prefix byte, 32 bytes of Ed25519 and a checksum.
 * The package `@nats-io/nkeys` does the same, but is loaded only after options are checked.
 * Source: https://github.com/nats-io/nkeys#design, and CRC-16/XMODEM in crc16.go there
 */
export function isAccountKey(key: string): boolean {
  if (!/^[A-Z2-7]{56}$/.test(key)) return false
  const bytes = decodeBase32(key)
  const checksum = (bytes[LENGTH - 2] ?? 0) | ((bytes[LENGTH - 1] ?? 0) << 8)
  return bytes[0] === ACCOUNT && crc16(bytes.subarray(0, LENGTH - 2)) === checksum
}

function decodeBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let bits = 0
  let value = 0
  let at = 0
  for (const character of text) {
    value = ((value << 5) | ALPHABET.indexOf(character)) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = value >> bits
  }
  return bytes
}

function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  return crc
}
