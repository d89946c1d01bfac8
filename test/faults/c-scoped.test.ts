import { encodeUser } from '@nats-io/jwt'
import { createAccount, createUser } from '@nats-io/nkeys'
import { expect, test } from 'vitest'
import { createAuthenticator } from '../../bridge/auth/authenticate.ts'

test('a user of a scoped signing key, whose permissions only the account knows, is not given all', async () => {
  const [account, scoped, user] = [createAccount(), createAccount(), createUser()]
  const jwt = await encodeUser('web', user, scoped, { bearer_token: true } as never, { signer: scoped, scopedUser: true, issuer_account: account.getPublicKey() } as never).catch((e) => { console.log(e); throw e })
  console.log(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())
  const authenticate = createAuthenticator({ accounts: [account.getPublicKey(), scoped.getPublicKey()] })
  const nonce = 'abc'
  const sig = Buffer.from(user.sign(new TextEncoder().encode(nonce))).toString('base64url')
  await expect(authenticate({ jwt, nonce, sig })).rejects.toMatchObject({ code: 'authentication-failed' })
})
