import './client.ts'

console.log('client is done')
