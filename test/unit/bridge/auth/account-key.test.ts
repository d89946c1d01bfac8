import { createAccount, createOperator, createUser } from '@nats-io/nkeys'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isAccountKey } from '../../../../bridge/auth/account-key.ts'

it('accepts public keys of accounts', () => {
  for (let i = 0; i < 100; i++) expect(isAccountKey(createAccount().getPublicKey())).toBe(true)
})

it('rejects keys of users and operators, seeds, and keys with one wrong character', () => {
  const account = createAccount()
  expect(isAccountKey(createUser().getPublicKey())).toBe(false)
  expect(isAccountKey(createOperator().getPublicKey())).toBe(false)
  expect(isAccountKey(new TextDecoder().decode(account.getSeed()))).toBe(false)
  const key = account.getPublicKey()
  fc.assert(
    fc.property(fc.nat(key.length - 1), fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'), (at, character) => {
      const changed = key.slice(0, at) + character + key.slice(at + 1)
      expect(isAccountKey(changed)).toBe(changed === key)
    }),
  )
})
