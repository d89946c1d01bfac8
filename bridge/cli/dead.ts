import type { AddCommand } from './command.ts'
import { addLetters } from './letters.ts'

/** `spanwire dead list|redrive`: events that `consume` has put aside. */
export const addDead: AddCommand = (program, context) =>
  addLetters(program, context, {
    command: 'dead',
    noun: 'dead letters',
    option: 'deadLetter.subject',
    column: ['ATTEMPTS', ({ attempts }) => String(attempts)],
  })
