const BLOCK = 65_536
/** More than this gets memory of its own, in bytes. */
const LARGE = BLOCK / 8

let block = new Uint8Array(0)
let used = 0

/**
 * Room for a frame, cut from a larger block: memory of its own would cost more than what is written into it. For what
 * stays in the hub and not for long: a few bytes that are kept keep the whole block.
 */
export function allocateFrame(length: number): Uint8Array {
  if (length > LARGE) return new Uint8Array(length)
  if (used + length > block.length) {
    block = new Uint8Array(BLOCK)
    used = 0
  }
  used += length
  return block.subarray(used - length, used)
}
