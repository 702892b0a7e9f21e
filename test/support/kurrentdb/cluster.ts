import type { handleUnaryCall } from '@grpc/grpc-js';
import type { Faults } from './faults.ts';
import { uuid } from './messages.ts';
import { gossip, serverFeatures } from './protocol.ts';

export interface Member {
  readonly host: string;
  readonly port: number;
  readonly isLeader: boolean;
}

type Gossip = handleUnaryCall<unknown, InstanceType<typeof gossip.ClusterInfo>>;
type Features = handleUnaryCall<unknown, InstanceType<typeof serverFeatures.SupportedMethods>>;

const STREAMS = 'event_store.client.streams.streams';

/** Who belongs to the cluster, and who leads it. */
export function readGossip(faults: Faults, members: () => readonly Member[]): Gossip {
  return (_call, answer) => {
    void faults.gate().then(() => {
      const info = new gossip.ClusterInfo();
      for (const { host, port, isLeader } of members()) {
        const state = isLeader ? gossip.MemberInfo.VNodeState.LEADER : gossip.MemberInfo.VNodeState.FOLLOWER;
        info.addMembers(
          new gossip.MemberInfo()
            .setInstanceId(uuid(crypto.randomUUID()))
            .setTimeStamp(String(Date.now()))
            .setState(state)
            .setIsAlive(true)
            .setHttpEndPoint(new gossip.EndPoint().setAddress(host).setPort(port)),
        );
      }
      answer(null, info);
    });
  };
}

/** Which methods there are: the client appends one by one where batches are not among them. */
export function supportedMethods(faults: Faults, options: { readonly batchAppend: boolean }): Features {
  return (_call, answer) => {
    void faults.gate().then(() => {
      const methods = ['read', 'append', 'delete', 'tombstone', ...(options.batchAppend ? ['batchappend'] : [])];
      const supported = new serverFeatures.SupportedMethods().setEventStoreServerVersion('24.10.0');
      for (const name of methods) {
        supported.addMethods(new serverFeatures.SupportedMethod().setMethodName(name).setServiceName(STREAMS));
      }
      answer(null, supported);
    });
  };
}
