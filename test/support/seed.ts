/**
 * The seed of tests with random input. Vitest loads this module before every test file.
 *
 * A property of fast-check that fails prints its seed and its counterexample. `SPANWIRE_SEED=<seed> npm test -- <path>`
 * repeats the run.
 */
import process from 'node:process'

const given = process.env.SPANWIRE_SEED

/** `SPANWIRE_SEED`, or a random one: an integer of 32 bits. Print it when a test with other random input begins. */
export const seed: number = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)

if (!Number.isInteger(seed)) throw new Error(`SPANWIRE_SEED=${given} is not an integer.`)
// Loaded only for a given seed: most test files have no properties.
if (given !== undefined) (await import('fast-check')).default.configureGlobal({ seed })

/** Returns a function that returns random numbers in [0, 1), determined by the seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
