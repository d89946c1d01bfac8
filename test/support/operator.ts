import { encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt'
import { createAccount, createOperator, createUser } from '@nats-io/nkeys'

/** An operator with one account: configuration for nats-server, and the `.creds` of a user. */
export async function createNatsOperator(): Promise<{ readonly config: string; readonly creds: string }> {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()]
  const operatorJwt = await encodeOperator('test', operator)
  // A missing limit is 0, which permits nothing.
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
  const accountJwt = await encodeAccount('app', account, { limits }, { signer: operator })
  return {
    config: `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    creds: new TextDecoder().decode(fmtCreds(await encodeUser('bridge', user, account), user)),
  }
}
