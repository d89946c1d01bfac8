import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Filter } from '../../../../demo/page/filter.ts'
import { writeProgram } from '../../../../demo/page/program.ts'

/** Pieces of text that mean something in JavaScript. */
const AWKWARD = ["'", '\\', '\n', '\r', '\u2028', '\u2029', '`', '${', '//', '*/', '\0', 'a', '😀']
const EVERYTHING: Filter = { origin: '*', destination: '*' }

const write = (name: string, text: string, filter: Filter = EVERYTHING) =>
  writeProgram({ url: 'http://127.0.0.1:8787', filter, name, text })

it('marks the choices of the visitor', () => {
  const hot = write('Ada', 'hello', { origin: 'ORD', destination: '*' }).filter(({ isHot }) => isHot)
  expect(hot.map(({ code }) => code)).toEqual(["'ORD'", "'*'", "'Ada'", "'hello'"])
})

it('has the contract, and a message if the visitor has written none', () => {
  const code = write('', '')
    .map((piece) => piece.code)
    .join('')
  expect(code).toContain('defineEvents({')
  expect(code).toContain("text: 'Hello from my own program'")
})

it('writes every text as one string literal, so that no message can add code', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...AWKWARD), { minLength: 1 }), (parts) => {
      const text = parts.join('')
      const literal = write('Ada', text).findLast(({ isHot }) => isHot)?.code ?? ''
      const value: unknown = new Function(`'use strict'; return ${literal}`)()
      expect(value).toBe(text.replace(/[\r\n\u2028\u2029]/g, ' '))
    }),
  )
})
