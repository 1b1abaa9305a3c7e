#!/bin/sh
# What Connect's suite starts for each server that it wants: it says where one is that is there already, and stays until it is
# ended. On standard input it is told what is wanted: a length, and a ServerCompatRequest, which begins with the protocol (2:
# gRPC), the version of HTTP, and whether it is to be over TLS.
#
#   where.sh PLAINTEXT TLS GRPC_TLS    files with what to say
case $(head -c 10 | od -An -v -tx1) in
*' 08 02 10 02 20 01') cat "$3" ;;
*' 20 01') cat "$2" ;;
*) cat "$1" ;;
esac
exec sleep 3600
