const BLOCK = 65_536

/**
 * Creates an allocator that cuts buffers from larger blocks: a small buffer of its own costs more than its content. For
 * short-lived data only, because a few bytes keep the whole block alive.
 * @param allocate allocates a buffer of `length` bytes
 * @param block size of a block, in bytes; requests over an eighth of it get a buffer of their own
 */
export function createSlab<Bytes extends Uint8Array>(
  allocate: (length: number) => Bytes,
  block: number,
): (length: number) => Bytes {
  let current = allocate(0)
  let used = 0
  return (length) => {
    if (length > block / 8) return allocate(length)
    if (used + length > current.length) {
      current = allocate(block)
      used = 0
    }
    used += length
    return current.subarray(used - length, used) as Bytes
  }
}

/** Allocates a frame, which lives in the hub until it was sent. */
export const allocateFrame: (length: number) => Uint8Array = createSlab((length) => new Uint8Array(length), BLOCK)
