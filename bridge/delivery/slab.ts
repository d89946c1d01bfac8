const BLOCK = 65_536

/**
 * Gives room that is cut from larger blocks: memory of its own would cost more than what is written into it. For what is
 * not kept for long: a few bytes that are kept keep the whole block.
 * @param allocate gives room for so many bytes
 * @param block size of a block, in bytes; what needs more than an eighth of it gets memory of its own
 */
export function createSlab<Bytes extends Uint8Array>(
  allocate: (length: number) => Bytes,
  block: number,
): (length: number) => Bytes {
  let room = allocate(0)
  let used = 0
  return (length) => {
    if (length > block / 8) return allocate(length)
    if (used + length > room.length) {
      room = allocate(block)
      used = 0
    }
    used += length
    return room.subarray(used - length, used) as Bytes
  }
}

/** Room for a frame, for as long as it is in the hub. */
export const allocateFrame: (length: number) => Uint8Array = createSlab((length) => new Uint8Array(length), BLOCK)
